//! Where an issuer publishes its keys, and how they are fetched.
//!
//! **Invariants.** An answer is whole and bounded, or an error. No redirect is followed, no proxy is asked, and nothing
//! leaves this machine unencrypted.

use std::{
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use chrono::{DateTime, Utc};
use url::{Host, Url};

use crate::error::causes;

/// For the connection, and for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes; a longer answer is an error.
const MAX_BODY: usize = 512 * 1024;

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Url(Url),
    File(PathBuf),
}

/// When a file was changed last, and its length.
pub type Stamp = (DateTime<Utc>, u64);

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be like https://issuer.example/jwks.json or file:///etc/rekomi/jwks.json";
        let url: Url = text.parse().map_err(|_| wrong)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong);
        }
        let near = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "file" => url.to_file_path().map(Self::File).map_err(|()| wrong),
            "https" => Ok(Self::Url(url)),
            "http" if near => Ok(Self::Url(url)),
            "http" => Err("must be https://, unless it is on this machine"),
            _ => Err(wrong),
        }
    }
}

impl Source {
    /// Fetches what is there now.
    ///
    /// # Errors
    /// Why it could not be had, without the address.
    pub async fn fetch(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Url(url) => fetch(url).await,
            Self::File(path) => read(path).await,
        }
    }

    /// Tells whether a file has changed; nothing does for an address.
    pub async fn stamp(&self) -> Option<Stamp> {
        let Self::File(path) = self else { return None };
        let metadata = tokio::fs::metadata(path).await.ok()?;
        Some((metadata.modified().ok()?.into(), metadata.len()))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut body = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(MAX_BODY as u64 + 1).read_to_end(&mut body).map(|_| body)
    });
    let body = reading
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    if body.len() > MAX_BODY {
        Err("it is too long".into())
    } else {
        Ok(body)
    }
}

async fn fetch(url: &Url) -> Result<Vec<u8>, String> {
    // Made anew each time, as it reads the machine's certificates, which change too. They come from the disk.
    let client = tokio::task::spawn_blocking(client)
        .await
        .map_err(|error| error.to_string())?;
    let request = client
        .map_err(told)?
        .get(url.clone())
        .header(http::header::ACCEPT, "application/json");
    let mut answer = request.send().await.map_err(told)?;
    if answer.status() != http::StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err("it is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
        .build()
}

/// Without the address: its query may be nobody's business.
fn told(error: reqwest::Error) -> String {
    causes(&error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_https_or_a_file_or_on_this_machine() {
        for text in [
            "https://issuer.example/jwks.json?a=b",
            "http://localhost:9/jwks",
            "http://127.0.0.2/",
            "http://[::1]:8080/",
            "file:///etc/jwks.json",
        ] {
            assert!(text.parse::<Source>().is_ok(), "{text}");
        }
        for text in [
            "",
            "issuer.example",
            "http://issuer.example/jwks.json",
            "http://localhost.issuer.example/",
            "ftp://issuer.example/",
            "https://user:word@issuer.example/",
            "file://elsewhere/jwks.json",
            "/etc/jwks.json",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
