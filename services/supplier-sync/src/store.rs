//! All SQL of supplier-sync.

mod attention;
mod case;
mod comparison;
mod exchange;
mod hint;
mod lead;
mod leg;
mod price_check;
mod standing;
mod support;

pub(crate) use attention::{count_in_doubt, in_doubt};
pub(crate) use case::{NewCase, case, cases, close_case, open_cases};
pub(crate) use comparison::{
    Count, NotCompared, Step as Compared, begin_comparison, claim_comparison, delay_comparison,
    give_up_comparison, legs_at, legs_compared, legs_of_listed, newest_comparison, not_compared,
    not_listed, page_compared,
};
pub(crate) use exchange::{Exchange, exchange_place, journal};
pub(crate) use hint::{
    Among, Unjoined, forget_waiting, join, legs_of, park, put_off_waiting, surface, unjoined,
    unjoined_named, waiting,
};
pub(crate) use lead::{take_lead, yield_lead};
pub(crate) use leg::{
    Changed, Entry, claim_due, due, load_for_update, now, put_off, save, sleep_again,
};
pub(crate) use price_check::{
    NewPriceCheck, PriceChecked, forget_price_checks, keep_price_check, price_check_place,
    price_checks_of,
};
pub(crate) use standing::{is_released, standing};
pub(crate) use support::{Exchanged, Told, exchanges_of, find, journal_of, legs_of_booking};

fn corrupt(
    table: &'static str,
    id: &impl ToString,
    source: impl std::error::Error + Send + Sync + 'static,
) -> messaging::StoreError {
    messaging::StoreError::Corrupt { table, id: id.to_string(), source: Box::new(source) }
}
