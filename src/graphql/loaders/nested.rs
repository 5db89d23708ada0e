//! Lists below affiliates that the caller has found: a statement for all that are asked for alike.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use entity::{affiliate, code, id::AffiliateId};
use sea_orm::DbErr;

use crate::{
    auth::Scope,
    domain::{
        Domain, codes,
        page::{Asked, Page},
        recruiters,
    },
};

/// What is asked for below an affiliate, and for whom: a feed's loaders serve several subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Below<A> {
    pub affiliate: AffiliateId,
    pub scope: Scope,
    pub asked: A,
}

impl Below<()> {
    /// The same for something that is asked for.
    pub fn of<A>(self, asked: A) -> Below<A> {
        Below {
            affiliate: self.affiliate,
            scope: self.scope,
            asked,
        }
    }
}

type Pages<M> = HashMap<Below<Asked>, Arc<Page<M>>>;
type Counts = HashMap<Below<()>, i64>;

/// The affiliates below which the same is asked for.
fn alike<A: Clone + Eq + Hash>(keys: Vec<Below<A>>) -> HashMap<(Scope, A), Vec<AffiliateId>> {
    let mut alike: HashMap<_, Vec<AffiliateId>> = HashMap::new();
    for key in keys {
        alike.entry((key.scope, key.asked)).or_default().push(key.affiliate);
    }
    alike
}

macro_rules! below_affiliates {
    ($pages:ident, $counts:ident, $module:ident, $model:ty) => {
        pub(super) async fn $pages(domain: Domain, _: Scope, keys: Vec<Below<Asked>>) -> Result<Pages<$model>, DbErr> {
            let mut found = HashMap::new();
            for ((scope, asked), affiliates) in alike(keys) {
                let pages = $module::pages_of(&domain, &scope, &affiliates, &asked).await?;
                found.extend(pages.into_iter().map(|(affiliate, page)| {
                    let asked = asked.clone();
                    (
                        Below {
                            affiliate,
                            scope,
                            asked,
                        },
                        Arc::new(page),
                    )
                }));
            }
            Ok(found)
        }

        pub(super) async fn $counts(domain: Domain, _: Scope, keys: Vec<Below<()>>) -> Result<Counts, DbErr> {
            let mut found = HashMap::new();
            for ((scope, asked), affiliates) in alike(keys) {
                let counts = $module::counts_of(&domain, &scope, &affiliates).await?;
                found.extend(counts.into_iter().map(|(affiliate, count)| {
                    (
                        Below {
                            affiliate,
                            scope,
                            asked,
                        },
                        count,
                    )
                }));
            }
            Ok(found)
        }
    };
}

below_affiliates!(code_pages, code_counts, codes, code::Model);
below_affiliates!(recruit_pages, recruit_counts, recruiters, affiliate::Model);
