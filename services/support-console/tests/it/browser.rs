//! A browser of one member of staff, as far as a server can tell: a cookie, forms, headers.

use std::net::SocketAddr;

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use sqlx::Connection as _;
use support_console::{router, staff};
use tower::ServiceExt as _;

use crate::console::Console;

/// A page as it came.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Somebody at a browser.
pub(crate) struct Browser<'a> {
    console: &'a Console,
    pub(crate) cookie: Option<String>,
    /// Who sends its requests: itself, or a proxy.
    pub(crate) peer: SocketAddr,
    /// What a proxy says of where they come from.
    pub(crate) forwarded: Option<String>,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The token of this page's forms.
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once(r#"name="csrf" value=""#).expect(&self.text);
        rest.split('"').next().unwrap().to_owned()
    }
}

impl<'a> Browser<'a> {
    pub(crate) fn of(console: &'a Console) -> Self {
        Self { console, cookie: None, peer: "192.0.2.7:5000".parse().unwrap(), forwarded: None }
    }

    /// One behind a proxy.
    pub(crate) fn behind(console: &'a Console, peer: &str, forwarded: &str) -> Self {
        let (peer, forwarded) = (peer.parse().unwrap(), Some(forwarded.to_owned()));
        Self { peer, forwarded, ..Self::of(console) }
    }

    /// A browser in which a new member of staff has signed in.
    pub(crate) async fn signed_in(console: &'a Console, name: &str, role: &str) -> Self {
        let password = staff_member(console, name, role).await;
        let mut browser = Self::of(console);
        let page = browser.sign_in(name, &password).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        browser
    }

    /// Sends the form, and keeps the cookie that comes.
    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) -> Page {
        let page = self.post("/sign-in", &[("name", name), ("password", password)]).await;
        if let Some(cookie) = page.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        page
    }

    /// Keeps the cookies that came with a page, and forgets those that it ends.
    pub(crate) fn keep(&mut self, page: &Page) {
        for cookie in page.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let held = self.cookie.take().unwrap_or_default();
            let others = held.split("; ").filter(|held| held.split('=').next() != Some(name));
            let others = others.filter(|held| !held.is_empty());
            let kept = others.chain((!value.is_empty()).then_some(pair));
            self.cookie = Some(kept.collect::<Vec<_>>().join("; "));
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[], &[]).await
    }

    /// Sends a form as it is given: without a token unless it is in it.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(Method::POST, path, fields, &[]).await
    }

    /// Sends a form of the page at `from`.
    pub(crate) async fn submit(&self, from: &str, to: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.get(from).await.csrf();
        let fields = [&[("csrf", token.as_str())], fields].concat();
        self.post(to, &fields).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path).header("host", "console");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(forwarded) = &self.forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut request = request.body(Body::from(form)).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = router(self.console.app.clone()).oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}

/// A new member of staff; gives back the password.
pub(crate) async fn staff_member(console: &Console, name: &str, role: &str) -> String {
    use chassis::ExposeSecret as _;
    let url = console.service.database.owner_url();
    let mut conn = sqlx::PgConnection::connect(url.expose_secret()).await.unwrap();
    staff::add(&mut conn, name, role).await.unwrap()
}
