//! The brands that Stripe is asked about by a command: one, by its slug, or all that have a key.

use std::sync::Arc;

use super::{Failure, of};
use crate::{
    db::Db,
    directory::{Account, Directory, Name, Way},
    domain::brands,
};

/// Each with its way to Stripe; who has none is named on standard error. `done` is what is done with them: `fetched`.
///
/// # Errors
/// There is no such brand, it has no key, or nobody has.
pub(super) async fn brands(
    db: &Db,
    directory: &Directory,
    only: Option<&str>,
    done: &str,
) -> Result<Vec<(Arc<Account>, Way)>, Failure> {
    let slugs = match only {
        Some(slug) => vec![slug.to_owned()],
        None => {
            let all = brands::list(db).await.map_err(of)?;
            all.into_iter().map(|brand| brand.slug).collect()
        }
    };
    let mut asked = Vec::new();
    for slug in slugs {
        let account = directory.get(Name::Slug(slug.clone())).await.map_err(of)?;
        let account = account.ok_or_else(|| Failure::from(format!("--brand: there is no brand {slug:?}")))?;
        match account.any_way().cloned() {
            Some(way) => asked.push((account, way)),
            None if only.is_some() => {
                return Err(format!("--brand: {slug} has no Stripe key to ask with: nothing was {done}").into());
            }
            None => eprintln!("{slug}: left out, as it has no Stripe key"),
        }
    }
    if asked.is_empty() {
        return Err(format!("no brand has a Stripe key to ask with: nothing was {done}").into());
    }
    Ok(asked)
}
