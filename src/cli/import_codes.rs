//! `rekomi import-codes`: promotion codes that Stripe has already become affiliates' codes.

use std::{io::Read, path::PathBuf};

use clap::Args;
use entity::id::CampaignId;
use serde_json::json;

use super::{Failure, Outcome, of, open, outbox, print};
use crate::{
    auth::Actor,
    clock::Clock,
    config::Config,
    directory::{Directory, Name, Way},
    domain::{
        Domain,
        adoption::{Adopted, adopt},
    },
    error::Error,
    stripe::{
        adoption::{Named, read},
        client::Stripe,
        fetch::Fetcher,
    },
};

#[derive(Args)]
pub struct ImportCodesArgs {
    /// The brand's slug.
    #[arg(long)]
    brand: String,
    /// The campaign that their coupons will belong to.
    #[arg(long)]
    campaign: CampaignId,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// CSV with the header `code,affiliate` or `promotion_code,affiliate`; `-` for standard input. The affiliate is an id
    /// or an e-mail address.
    file: PathBuf,
}

/// A line of the file: its number there, the promotion code, the affiliate.
type Line = (usize, Named, String);

/// Prints what became of each line as JSON. Fails where one was refused.
pub async fn run(config: &Config, args: &ImportCodesArgs) -> Outcome {
    let lines = parse(&text(&args.file)?)?;
    let db = open(config).await?;
    let directory = Directory::new(db.clone(), config);
    let account = directory.get(Name::Slug(args.brand.clone())).await.map_err(of)?;
    let account = account.ok_or_else(|| Failure::from(format!("--brand: there is no brand {:?}", args.brand)))?;
    let way = account.any_way().ok_or("--brand: it has no Stripe key to ask with")?;
    let fetcher = Fetcher {
        db,
        clock: Clock::system(),
        directory,
        stripe: Stripe::new(&config.stripe_api_base).map_err(of)?,
    };
    let domain = outbox(&fetcher);
    let actor = Actor::command_line(account.brand.id, way.livemode());
    let (mut new, mut refused) = (0, 0);
    for (number, named, affiliate) in &lines {
        let outcome = one(&fetcher.stripe, way, &domain, &actor, args, named, affiliate).await?;
        let (Named::Text(name) | Named::Id(name)) = named;
        let result = match &outcome {
            Ok(Adopted::Now(_)) if args.dry_run => json!({ "result": "would be imported" }),
            Ok(Adopted::Now(id)) => json!({ "result": "imported", "id": id.to_string() }),
            Ok(Adopted::Before(id)) => json!({ "result": "unchanged", "id": id.to_string() }),
            Err(why) => json!({ "result": "refused", "reason": why }),
        };
        new += usize::from(matches!(outcome, Ok(Adopted::Now(_))));
        refused += usize::from(outcome.is_err());
        let mut line = json!({ "line": number, "code": name, "affiliate": affiliate });
        if let (Some(line), Some(result)) = (line.as_object_mut(), result.as_object()) {
            line.extend(result.clone());
        }
        print(&line.to_string())?;
    }
    if new > 0 && !args.dry_run {
        eprintln!("Sales from before are credited once they are told again: rekomi backfill --since WHEN");
    }
    match refused {
        0 => Ok(()),
        refused => Err(format!("lines that were refused: {refused}").into()),
    }
}

/// What came of one line, or why nothing did.
async fn one(
    stripe: &Stripe,
    way: &Way,
    domain: &Domain,
    actor: &Actor,
    args: &ImportCodesArgs,
    named: &Named,
    affiliate: &str,
) -> Result<Result<Adopted, String>, Failure> {
    let now = domain.clock.now();
    let input = match read(stripe, way, named, args.campaign, affiliate, now).await {
        Ok(input) => input,
        Err(why) => return Ok(Err(why)),
    };
    match adopt(domain, actor, &input, args.dry_run).await {
        Ok(adopted) => Ok(Ok(adopted)),
        Err(Error::User(problems)) => {
            let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            Ok(Err(messages.join(" ")))
        }
        Err(error) => Err(of(error)),
    }
}

fn text(file: &PathBuf) -> Result<String, Failure> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Two columns, with or without quotes; no value has a comma in it.
fn parse(text: &str) -> Result<Vec<Line>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, fields(line)));
    let by_id = match lines.next().map(|(_, header)| header) {
        Some(header) if header == ["code", "affiliate"] => false,
        Some(header) if header == ["promotion_code", "affiliate"] => true,
        _ => return Err("FILE: its first line is code,affiliate or promotion_code,affiliate".into()),
    };
    let mut parsed = Vec::new();
    for (number, fields) in lines {
        match fields.as_slice() {
            [""] => {}
            [code, affiliate] if !code.is_empty() && !affiliate.is_empty() => {
                let code = (*code).to_owned();
                let named = if by_id { Named::Id(code) } else { Named::Text(code) };
                parsed.push((number, named, (*affiliate).to_owned()));
            }
            _ => return Err(format!("FILE: line {number} has not two values").into()),
        }
    }
    Ok(parsed)
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',')
        .map(|field| field.trim().trim_matches('"').trim())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_header_and_two_values_a_line() {
        let parsed = parse("\u{feff}code,affiliate\r\n\"Sarah20\", sarah@x.example\r\n\r\nBOB,aff_1\n").unwrap();
        assert_eq!(
            parsed,
            [
                (2, Named::Text("Sarah20".into()), "sarah@x.example".into()),
                (4, Named::Text("BOB".into()), "aff_1".into())
            ]
        );
        assert_eq!(
            parse("promotion_code,affiliate\npromo_1,a").unwrap()[0].1,
            Named::Id("promo_1".into())
        );
        for bad in [
            "",
            "code\nX",
            "code,affiliate\nX",
            "code,affiliate\nX,",
            "code,affiliate\nX,y,z",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
