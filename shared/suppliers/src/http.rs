//! Requests and replies as plain values; whoever performs them knows the network, this crate does
//! not.

/// The verb of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Changes.
    Put,
    /// Ends.
    Delete,
}

impl Method {
    /// The verb as it goes over the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request to be made. Its headers carry a signature, its body may carry personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The verb.
    pub method: Method,
    /// Path and query, relative to the supplier's base URL; starts with `/`, never names a host.
    pub path_and_query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<Vec<u8>>,
}

/// A reply as it came. Its body may carry personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// How far a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Surely nothing left this machine: the name did not resolve, the connection was refused.
    NotSent,
    /// It may have left, and no whole reply came: time-out, reset, a body over the cap.
    NoAnswer,
    /// A whole reply came.
    Reply(HttpReply),
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        write!(f, "HttpRequest({} {path}?***)", self.method.word())
    }
}

impl std::fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpReply({}, {} bytes)", self.status, self.body.len())
    }
}
