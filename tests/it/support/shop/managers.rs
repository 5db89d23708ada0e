//! Managers decide about conversions while servers are told of them, and die.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex as Cell,
};

use chrono::TimeDelta;
use entity::{
    conversion,
    sale_report::{self, ReportKind},
};
use rekomi::{
    auth::{
        Role,
        jwt::{Grant, Mode},
    },
    domain::reports::{Decision, Report, Verdict},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{
    super::{
        TestApp,
        script::{Decided, Lived, Ruling},
    },
    Shop,
};

const RESULTS: &str = "results { changed }";

/// How a manager is let in, and what was promised to one.
pub struct Managers {
    token: String,
    /// The reasons of decisions that a server said were made.
    promised: Cell<BTreeSet<String>>,
}

impl Managers {
    pub fn of(app: &TestApp) -> Self {
        let grant = Grant {
            subject: "max".to_owned(),
            brand: app.acme.id,
            role: Role::Manager,
            affiliate: None,
            mode: Some(Mode::Live),
            ttl: TimeDelta::days(3650),
        };
        Self {
            token: app.instance.app.tokens.issue(grant, app.now()).unwrap(),
            promised: Cell::default(),
        }
    }
}

impl Shop {
    /// A manager decides about a conversion, where there is one by now; false where no server answered. What may not be
    /// decided now is not.
    pub async fn is_decided(&self, base: &str, decided: &Decided) -> bool {
        let Some(id) = self.conversion_of(decided).await else {
            return true;
        };
        let reason = decided.id.to_string();
        let several = json!({ "ids": [id], "reason": reason });
        let (mutation, fields, input) = match decided.ruling {
            Ruling::Approve => ("approveConversions", RESULTS, several),
            Ruling::Reject => ("rejectConversions", RESULTS, several),
            Ruling::Reassign(owner) => {
                let input = json!({ "id": id, "affiliateId": self.visitors.id_of(owner), "reason": reason });
                ("reassignConversion", "conversion { id }", input)
            }
        };
        let mut type_name = format!("{mutation}Input");
        type_name[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {type_name}!) {{ {mutation}(input: $input) {{ {fields} userErrors {{ code }} }} }}"
        );
        let body = json!({ "query": query, "variables": { "input": input } });
        let request = self
            .http
            .post(format!("{base}/graphql"))
            .bearer_auth(&self.managers.token);
        let Ok(answer) = request.json(&body).send().await else {
            return false;
        };
        let Ok(answer) = answer.json::<Value>().await else {
            return false;
        };
        // Others were in the way for too long: the manager comes again.
        if answer["errors"][0]["extensions"]["code"] == "INTERNAL" {
            return false;
        }
        let payload = &answer["data"][mutation];
        assert!(payload.is_object(), "{answer}");
        if payload["results"][0]["changed"] == true {
            self.managers.promised.lock().unwrap().insert(reason);
        }
        true
    }

    async fn conversion_of(&self, decided: &Decided) -> Option<String> {
        let found = conversion::Entity::find()
            .filter(conversion::Column::Part.is_in(&decided.names))
            .filter(conversion::Column::MergedInto.is_null());
        let found = found.one(self.db()).await.unwrap();
        found.map(|row| row.id.to_string())
    }

    /// What the log says that managers decided is what the sales' managers decided. What a server said was made is in it.
    pub async fn recall(&self, sales: &mut [Lived]) {
        let mut decisions = self.decisions().await;
        let made: BTreeSet<String> = decisions.iter().map(|decision| decision.reason.clone()).collect();
        let promised = self.managers.promised.lock().unwrap();
        assert!(promised.is_subset(&made), "a decision is lost");
        decisions.sort_by_key(|decision| decision.id);
        let mut by_part: BTreeMap<String, Vec<Decision>> = BTreeMap::new();
        for decision in decisions {
            by_part.entry(decision.part.clone()).or_default().push(decision);
        }
        for sale in sales {
            let names = sale.sale.names();
            let mut about: Vec<&Decision> = names.iter().filter_map(|name| by_part.get(name)).flatten().collect();
            about.sort_by_key(|decision| decision.id);
            let ruling = |decision: &&Decision| (sale.payment_named(&decision.part), self.ruling(decision.verdict));
            sale.rulings = about.iter().map(ruling).collect();
        }
    }

    fn ruling(&self, verdict: Verdict) -> Ruling {
        match verdict {
            Verdict::Approved => Ruling::Approve,
            Verdict::Rejected => Ruling::Reject,
            Verdict::Reassigned(affiliate) => Ruling::Reassign(self.visitors.owners[&affiliate]),
        }
    }

    async fn decisions(&self) -> Vec<Decision> {
        let rows = sale_report::Entity::find().filter(sale_report::Column::Kind.eq(ReportKind::Decision));
        let rows = rows.all(self.db()).await.unwrap().into_iter();
        let decision = |row: sale_report::Model| match serde_json::from_str(&row.body).unwrap() {
            Report::Decision(decision) => decision,
            other => panic!("{other:?}"),
        };
        rows.map(decision).collect()
    }
}
