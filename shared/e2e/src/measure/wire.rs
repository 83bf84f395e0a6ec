//! A connection that asks for the same again and again, with as little work of its own as there is:
//! what measures shares the machine with what is measured.

use anyhow::{Context as _, ensure};
use http::Uri;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// More than the head of any answer, and most of a page of offers at once.
const BUFFER: usize = 32 * 1024;

/// One connection, kept.
pub(super) struct Wire {
    way: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects to where the address lies.
    pub(super) async fn open(url: &str, token: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse()?;
        let authority = url.authority().context("an address without a host")?.as_str();
        let path = url.path_and_query().context("an address without a path")?;
        let way = TcpStream::connect(authority).await?;
        way.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        // Written to, so that no first answer waits for its pages.
        Ok(Self { way, request: request.into_bytes(), buffer: vec![1; BUFFER] })
    }

    /// Asks once and reads all of the answer; how many bytes that were.
    pub(super) async fn get(&mut self) -> anyhow::Result<usize> {
        self.way.write_all(&self.request).await?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none() {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.way.read(free).await?;
            ensure!(read > 0, "an answer ends in its head");
            filled += read;
            whole = length(&self.buffer[..filled])?;
        }
        let whole = whole.unwrap_or_default();
        while filled < whole {
            let read = self.way.read(&mut self.buffer).await?;
            ensure!(read > 0, "an answer ends in its middle");
            filled += read;
        }
        ensure!(filled == whole, "{filled} bytes where there should be {whole}");
        Ok(whole)
    }
}

/// How long an answer is, head and body, once its head is there. One that is no success, or does
/// not say its length, is an error.
fn length(begun: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = begun.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&begun[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    ensure!(status == "200", "status {status}");
    let length = lines.filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.next().context("an answer that does not say how long it is")?;
    Ok(Some(end + 4 + length.trim().parse::<usize>()?))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn an_answer_is_as_long_as_its_head_says_and_no_other_is_counted() {
        let whole = |text: &str| length(text.as_bytes());
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\n";
        assert_eq!(whole(head).unwrap(), Some(head.len() + 5));
        assert_eq!(whole(&format!("{head}12345")).unwrap(), Some(head.len() + 5));
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Le").unwrap(), None);
        for odd in ["HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(whole(odd).is_err(), "{odd}");
        }
    }
}
