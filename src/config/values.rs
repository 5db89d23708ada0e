//! What the values of settings look like. Each reader names its setting in what it refuses.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use ipnet::{IpNet, Ipv4Net};
use secrecy::SecretString;
use url::Url;

use super::{ConfigError, MIN_JWT_SECRET_BYTES};
use crate::{
    auth::{claim_names::ClaimNames, keys::VerifyingKey, pem},
    vault::Vault,
};

pub(super) fn list(value: Option<String>) -> impl Iterator<Item = String> {
    let parts: Vec<_> = value
        .iter()
        .flat_map(|value| value.split(','))
        .map(|part| part.trim().to_owned())
        .collect();
    parts.into_iter().filter(|part| !part.is_empty())
}

pub(super) fn origin(setting: &'static str, value: &str) -> Result<Url, ConfigError> {
    let wrong = || ConfigError::new(setting, "must be a bare origin, such as https://example.com");
    let url: Url = value.parse().map_err(|_| wrong())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if bare && url.has_host() && matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(wrong())
    }
}

pub(super) fn jwt_secret(value: Option<String>) -> Result<Option<SecretString>, ConfigError> {
    match value {
        Some(secret) if secret.len() < MIN_JWT_SECRET_BYTES => {
            let problem = format!("must have at least {MIN_JWT_SECRET_BYTES} bytes");
            Err(ConfigError::new("REKOMI_JWT_SECRET", problem))
        }
        secret => Ok(secret.map(SecretString::from)),
    }
}

pub(super) fn jwt_public_keys(value: Option<String>) -> Result<Arc<[VerifyingKey]>, ConfigError> {
    let wrong = |problem: &str| ConfigError::new("REKOMI_JWT_PUBLIC_KEY", problem);
    let Some(value) = value else {
        return Ok(Arc::default());
    };
    let text = match value.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| wrong(&format!("the file cannot be read: {error}")))?
        }
        None => value.replace("\\n", "\n"),
    };
    Ok(pem::keys(&text).map_err(wrong)?.into())
}

pub(super) fn jwt_claims(names: &str, brand: Option<String>) -> Result<ClaimNames, ConfigError> {
    let names: Result<ClaimNames, String> = names.parse();
    let names = names.map_err(|problem| ConfigError::new("REKOMI_JWT_CLAIMS", problem))?;
    let wrong = |_| ConfigError::new("REKOMI_JWT_BRAND", "must be a brand's id, brd_ and 32 hex digits");
    let brand = brand.map(|id| id.parse().map_err(wrong)).transpose()?;
    Ok(names.of_brand(brand))
}

pub(super) fn vault(value: Option<String>) -> Result<Vault, ConfigError> {
    let wrong = || {
        ConfigError::new(
            "REKOMI_ENCRYPTION_KEY",
            "must be base64 of 32 bytes, or several with commas between",
        )
    };
    let keys: Result<Vec<[u8; 32]>, _> = list(value)
        .map(|key| {
            STANDARD
                .decode(key)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(wrong)
        })
        .collect();
    Ok(Vault::new(keys?))
}

pub(super) fn feed_days(value: &str) -> Result<u16, ConfigError> {
    let days = value.parse().ok().filter(|days| (1..=3650).contains(days));
    days.ok_or_else(|| ConfigError::new("REKOMI_FEED_DAYS", "must be a number of days from 1 to 3650"))
}

pub(super) fn cors_origins(value: Option<String>) -> Result<Vec<String>, ConfigError> {
    list(value)
        .map(|value| origin("REKOMI_CORS_ORIGINS", &value).map(|url| url.origin().ascii_serialization()))
        .collect()
}

pub(super) fn trusted_proxies(value: Option<String>) -> Result<Vec<IpNet>, ConfigError> {
    let wrong = || {
        let problem = "must be addresses and networks with commas between, such as 10.0.0.0/8, ::1";
        ConfigError::new("REKOMI_TRUSTED_PROXIES", problem)
    };
    list(value).map(|text| network(&text).ok_or_else(wrong)).collect()
}

/// An address is a network of one. IPv4 in IPv6 is IPv4, as callers' addresses are.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    let IpNet::V6(wide) = network else {
        return Some(network);
    };
    match (wide.addr().to_ipv4_mapped(), wide.prefix_len().checked_sub(96)) {
        (Some(address), Some(length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        _ => Some(network),
    }
}
