//! Generated histories of sales, many at once, told to real servers: in any order, again and again, in batches of all
//! sizes, by one server or two, which die at any moment and start again; first a part of each history, then the rest.
//! In between visitors follow links and managers decide. There stands what truly happened, at every stop. `histories_told` holds the same without servers, for many more orders.
//!
//! `REKOMI_HISTORIES=10000` tells so many of them; `REKOMI_HISTORIES_SEED` tells others, or those that failed again.

use entity::conversion;
use proptest::{
    strategy::{BoxedStrategy, Strategy, ValueTree},
    test_runner::TestRunner,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::{
    rng::Rng,
    script::{self, Lived, News, Script},
    shop::Shop,
    *,
};

/// How many histories are told together.
const ROUND: usize = 250;
/// Tries to make a history that failed smaller.
const SHRINKING: usize = 60;

type Tree = Box<dyn ValueTree<Value = Script>>;

/// What was told in all.
#[derive(Debug, Default)]
struct Figures {
    histories: usize,
    events: usize,
    deaths: usize,
    conversions: usize,
    /// Of these, credited by a click.
    clicked: usize,
    /// By managers.
    decisions: usize,
}

on_both! {
    async fn any_history_told_in_any_way_ends_as_it_happened(database: Database) {
        let started = std::time::Instant::now();
        let (shop, histories) = (Shop::open(database).await, script::histories());
        let mut figures = Figures::default();
        let mut seed = script::seed();
        while figures.histories < histories {
            round(&shop, seed, ROUND.min(histories - figures.histories), &mut figures).await;
            seed += 1;
            println!("{figures:?} in {:?}", started.elapsed());
        }
        let database = shop.close().await;
        books::check(&database.url).await;
        books::log(&database.url).await;
        println!("all of it, and rebuilt, in {:?}", started.elapsed());
    }
}

/// Tells some histories up to a point of each, and then to their ends.
async fn round(shop: &Shop, seed: u64, size: usize, figures: &mut Figures) {
    let strategy: BoxedStrategy<Script> = script::scripts().boxed();
    let mut runner: TestRunner = script::runner(seed, 1);
    let mut trees: Vec<Tree> = (0..size).map(|_| strategy.new_tree(&mut runner).unwrap()).collect();
    let mut rng = Rng::seeded(seed);
    let start = |(number, tree): (usize, &Tree)| Lived::start(&tree.current(), number, &shop.promos);
    let mut sales: Vec<Lived> = trees.iter().enumerate().map(start).collect();
    for last in [false, true] {
        for sale in &mut sales {
            let steps = sale.script.steps.len() + 1;
            sale.live(if last { steps } else { rng.below(steps) });
        }
        shop.happened(&mut sales).await;
        let events = gather(&mut sales, &mut rng);
        figures.events += events.len();
        // In the middle little of it makes sense, and still all sums are right.
        let (some, rest) = events.split_at(rng.below(events.len()));
        figures.deaths += shop.tell(some.to_vec(), &mut rng).await;
        books::check(&shop.database.url).await;
        figures.deaths += shop.tell(rest.to_vec(), &mut rng).await;
        shop.recall(&mut sales).await;
        let stands = shop.stands(&sales).await;
        for (number, (sale, stands)) in sales.iter().zip(&stands).enumerate() {
            if *stands != script::should_stand(sale) {
                let least = shrink(shop, &mut trees[number], &mut rng).await;
                panic!(
                    "REKOMI_HISTORIES_SEED={seed} REKOMI_HISTORIES={size}\nafter {} steps of history {number} there stands\n{stands:#?}\nand \
                     there should\n{:#?}\n{}",
                    sale.steps,
                    script::should_stand(sale),
                    script::as_code(&least)
                );
            }
        }
        books::check(&shop.database.url).await;
    }
    figures.histories += size;
    figures.decisions += sales.iter().map(|sale| sale.rulings.len()).sum::<usize>();
    let expected = sales.iter().flat_map(script::should_stand);
    for line in expected.filter(|line| !line.contains("redeemed")) {
        figures.conversions += 1;
        figures.clicked += usize::from(line.contains(" by Link "));
    }
    let all = conversion::Entity::find().filter(conversion::Column::MergedInto.is_null());
    assert_eq!(all.count(shop.db()).await.unwrap(), figures.conversions as u64);
}

/// What has happened and was not told yet, shuffled; some of it twice, under its own id or under another, and some of
/// what was told before.
fn gather(sales: &mut [Lived], rng: &mut Rng) -> Vec<News> {
    let mut events = Vec::new();
    for sale in sales {
        for _ in 0..rng.below(4) {
            let mut again = sale.events[rng.below(sale.events.len())].clone();
            if let News::Event(again) = &mut again
                && rng.below(2) == 0
            {
                again["id"] = json!(format!("{}_again{}", again["id"].as_str().unwrap(), rng.below(1000)));
            }
            events.push(again);
        }
        events.extend_from_slice(&sale.events[sale.told..]);
        sale.told = sale.events.len();
    }
    rng.shuffle(&mut events);
    events
}

/// The least history that fails when it is told alone, if one does: as proptest shrinks.
async fn shrink(shop: &Shop, tree: &mut Tree, rng: &mut Rng) -> Script {
    let mut least = tree.current();
    if !fails(shop, &least, rng).await || !tree.simplify() {
        return least;
    }
    for _ in 0..SHRINKING {
        let goes_on = if fails(shop, &tree.current(), rng).await {
            least = tree.current();
            tree.simplify()
        } else {
            tree.complicate()
        };
        if !goes_on {
            break;
        }
    }
    least
}

/// Whether a history told alone, in some orders, ends in something else than it should.
async fn fails(shop: &Shop, script: &Script, rng: &mut Rng) -> bool {
    for _ in 0..4 {
        let mut sales = vec![Lived::start(script, 0, &shop.promos)];
        for steps in [rng.below(script.steps.len() + 1), script.steps.len()] {
            sales[0].live(steps);
            shop.happened(&mut sales).await;
            shop.tell(gather(&mut sales, rng), rng).await;
            shop.recall(&mut sales).await;
            if shop.stands(&sales).await[0] != script::should_stand(&sales[0]) {
                return true;
            }
        }
    }
    false
}
