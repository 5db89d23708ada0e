//! What the API tells of sales, one line each, so that a test can compare all of it at a glance.

use serde_json::Value;

use super::{Caller, TestApp};

const CONVERSIONS: &str = "{ conversions(first: 100) { nodes {
    id kind status couponCode source amountPending livemode occurredAt
    amount { minorUnits currency } tax { minorUnits } refundedAmount { minorUnits } commission { minorUnits currency }
    affiliate { name } attributionTrail { rule outcome detail }
} } }";

const LEDGER: &str = "{ ledgerEntries(first: 100) { nodes {
    kind amount { minorUnits currency } availableAt affiliate { name }
} } }";

const STATS: &str = "{ codeRedemptionStats(first: 100) { nodes {
    code { code } redemptions refundedRedemptions renewals lastRedeemedAt
    revenue { minorUnits currency } refunded { minorUnits currency } commission { minorUnits currency }
} } }";

impl Caller {
    /// The conversions that the caller sees, oldest sale first, as nodes.
    pub async fn conversions(&self) -> Vec<Value> {
        let mut data = self.query(CONVERSIONS).await;
        let Value::Array(mut nodes) = data["conversions"]["nodes"].take() else {
            panic!("no nodes");
        };
        nodes.reverse();
        nodes
    }

    /// The same, one line each: `RENEWAL PENDING sarah SARAH20 5000 USD, commission 1000`.
    pub async fn told(&self) -> Vec<String> {
        self.conversions().await.iter().map(line).collect()
    }

    /// The entries of the ledger that the caller sees, oldest first: `sarah COMMISSION 800 USD due 2026-12-01`.
    pub async fn ledger(&self) -> Vec<String> {
        let data = self.query(LEDGER).await;
        nodes(&data["ledgerEntries"]).iter().map(entry).collect()
    }

    /// Figures per code: `SARAH20 1 redeemed, 0 refunded, 2 renewals, 14000 USD, back 0, commission 2800 USD`.
    pub async fn stats(&self) -> Vec<String> {
        let data = self.query(STATS).await;
        nodes(&data["codeRedemptionStats"]).iter().map(stats_line).collect()
    }

    /// An affiliate's balance, and what is due of it.
    pub async fn balance(&self, affiliate: &str) -> (String, String) {
        let query = format!(
            "{{ affiliate(id: \"{affiliate}\") {{ balance {{ minorUnits currency }} balanceDue {{ minorUnits currency }} }} }}"
        );
        let data = self.query(&query).await;
        (
            sums(&data["affiliate"]["balance"]),
            sums(&data["affiliate"]["balanceDue"]),
        )
    }

    pub async fn redemption_count(&self, affiliate: &str) -> i64 {
        let data = self
            .query(&format!("{{ affiliate(id: \"{affiliate}\") {{ redemptionCount }} }}"))
            .await;
        data["affiliate"]["redemptionCount"].as_i64().unwrap()
    }
}

impl TestApp {
    /// Acme's conversions as ana sees them, oldest first.
    pub async fn told(&self) -> Vec<String> {
        self.ana().told().await
    }

    pub async fn stats(&self) -> Vec<String> {
        self.ana().stats().await
    }
}

pub fn nodes(connection: &Value) -> &Vec<Value> {
    connection["nodes"].as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn units(money: &Value) -> i64 {
    money["minorUnits"].as_i64().unwrap()
}

fn first_name(affiliate: &Value) -> String {
    let name = text(&affiliate["name"]).split(' ').next();
    name.unwrap_or_default().to_lowercase()
}

fn entry(entry: &Value) -> String {
    let (amount, due) = (&entry["amount"], text(&entry["availableAt"]));
    format!(
        "{} {} {} {} due {}",
        first_name(&entry["affiliate"]),
        text(&entry["kind"]),
        units(amount),
        text(&amount["currency"]),
        &due[..10]
    )
}

/// The figures that are not nothing.
pub fn line(conversion: &Value) -> String {
    let name = first_name(&conversion["affiliate"]);
    let (amount, commission) = (&conversion["amount"], &conversion["commission"]);
    let mut line = format!(
        "{} {} {name} {} {} {}",
        text(&conversion["kind"]),
        text(&conversion["status"]),
        text(&conversion["couponCode"]),
        units(amount),
        text(&amount["currency"])
    );
    for (what, money) in [("tax", &conversion["tax"]), ("refunded", &conversion["refundedAmount"])] {
        if units(money) != 0 {
            line += &format!(", {what} {}", units(money));
        }
    }
    line += &format!(", commission {}", units(commission));
    if commission["currency"] != amount["currency"] {
        line += &format!(" {}", text(&commission["currency"]));
    }
    if conversion["amountPending"] == true {
        line += ", amount pending";
    }
    line
}

fn stats_line(node: &Value) -> String {
    format!(
        "{} {} redeemed, {} refunded, {} renewals, {}, back {}, commission {}",
        text(&node["code"]["code"]),
        node["redemptions"],
        node["refundedRedemptions"],
        node["renewals"],
        sums(&node["revenue"]),
        sums(&node["refunded"]),
        sums(&node["commission"])
    )
}

/// `4000 USD + 500 JPY`; `0` for none.
fn sums(list: &Value) -> String {
    let list = list.as_array().unwrap();
    let sums: Vec<_> = list
        .iter()
        .map(|money| format!("{} {}", units(money), text(&money["currency"])))
        .collect();
    if sums.is_empty() {
        "0".to_owned()
    } else {
        sums.join(" + ")
    }
}

/// The reasons of a conversion: `CODE CREDITED SARAH20 was redeemed`.
pub fn trail(conversion: &Value) -> Vec<String> {
    let steps = conversion["attributionTrail"].as_array().unwrap();
    let step = |step: &Value| {
        format!(
            "{} {} {}",
            text(&step["rule"]),
            text(&step["outcome"]),
            text(&step["detail"])
        )
    };
    steps.iter().map(step).collect()
}
