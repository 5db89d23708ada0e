//! How what the caller has found stands with Stripe.

use std::{collections::HashMap, sync::Arc};

use entity::{
    campaign_code, code, coupon,
    id::{CodeId, CouponId},
    stripe_operation,
};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, JoinType, QueryFilter, QuerySelect};

use crate::{
    auth::Scope,
    domain::{
        Domain,
        owed::{self, Sync},
    },
};

/// Reads what is owed for objects with their rows, in one statement: what an operation has changed and that it is done
/// are written together.
macro_rules! syncs {
    ($name:ident, $table:ident, $key:ty, $column:ident, $of:expr) => {
        pub(super) async fn $name(
            domain: Domain,
            scope: Scope,
            ids: Vec<$key>,
        ) -> Result<HashMap<$key, (Arc<$table::Model>, Sync)>, DbErr> {
            let join = stripe_operation::Entity::belongs_to($table::Entity)
                .from(stripe_operation::Column::$column)
                .to($table::Column::Id);
            let read = stripe_operation::Entity::find()
                .select_also($table::Entity)
                .join(JoinType::InnerJoin, join.into())
                .filter(stripe_operation::Column::BrandId.eq(scope.brand))
                .filter(stripe_operation::Column::Livemode.eq(scope.livemode))
                .filter(stripe_operation::Column::$column.is_in(ids))
                .filter($of)
                .all(domain.db.reader())
                .await?;
            let mut objects: HashMap<$key, ($table::Model, Vec<stripe_operation::Model>)> = HashMap::new();
            for (operation, row) in read {
                if let Some(row) = row {
                    objects
                        .entry(row.id)
                        .or_insert_with(|| (row, Vec::new()))
                        .1
                        .push(operation);
                }
            }
            let stands = |(id, (row, operations)): ($key, ($table::Model, Vec<_>))| {
                (id, (Arc::new(row), owed::sync(&operations)))
            };
            Ok(objects.into_iter().map(stands).collect())
        }
    };
}

syncs!(
    coupon_syncs,
    coupon,
    CouponId,
    CouponId,
    stripe_operation::Column::CodeId.is_null()
);
syncs!(
    code_syncs,
    code,
    CodeId,
    CodeId,
    stripe_operation::Column::CodeId.is_not_null()
);
syncs!(
    campaign_code_syncs,
    campaign_code,
    CodeId,
    CodeId,
    stripe_operation::Column::CodeId.is_not_null()
);
