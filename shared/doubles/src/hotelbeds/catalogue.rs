//! What is sold: activities, their modalities and rates, and what they cost.

use chrono::{Datelike, Days, NaiveDate};

/// Which rate of a modality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Free until two days before.
    Flexible,
    /// Half from seven days before, all from one day before.
    Stepped,
    /// Nothing back, a tenth cheaper.
    NonRefundable,
}

impl Rate {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Flexible => "FLEX",
            Self::Stepped => "STEP",
            Self::NonRefundable => "SAVE",
        }
    }

    /// `NOR` or `NRF`, as published.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Flexible | Self::Stepped => "NOR",
            Self::NonRefundable => "NRF",
        }
    }

    /// From which local day on cancelling costs what.
    pub(crate) fn policies(
        self,
        from: NaiveDate,
        today: NaiveDate,
        total: i64,
    ) -> Vec<(NaiveDate, i64)> {
        match self {
            Self::Flexible => vec![(from - Days::new(2), total)],
            Self::Stepped => vec![(from - Days::new(7), total / 2), (from - Days::new(1), total)],
            Self::NonRefundable => vec![(today, total)],
        }
    }
}

/// One way to take part in an activity.
pub(crate) struct Modality {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) rates: &'static [Rate],
}

static MODALITIES: [Modality; 2] = [
    Modality {
        code: "STD@STANDARD||",
        name: "Standard ticket",
        rates: &[Rate::Flexible, Rate::NonRefundable],
    },
    Modality { code: "TOUR@STANDARD|ENG|", name: "With a guide, english", rates: &[Rate::Stepped] },
];

/// Activities of Rome: more than two pages of them.
const ON_SEVERAL_PAGES: u16 = 230;

/// One activity.
pub(crate) struct Activity {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) destination: &'static str,
    pub(crate) destination_name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) currency: &'static str,
    base: i64,
    pub(crate) modalities: &'static [Modality],
}

/// Everything that is sold.
pub(crate) struct Catalogue {
    pub(crate) activities: Vec<Activity>,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let places = [
            ("BCN", "Barcelona", "ES", "EUR"),
            ("PMI", "Mallorca", "ES", "EUR"),
            ("LIS", "Lisbon", "PT", "EUR"),
            ("NYC", "New York Area", "US", "USD"),
        ];
        let kinds = ["Harbour cruise", "Food walk", "Museum pass", "Balloon ride"];
        let of_place = |(place, at): (usize, (&'static str, &'static str, &'static str, _))| {
            let (destination, destination_name, country, currency) = at;
            kinds.iter().enumerate().map(move |(kind, name)| Activity {
                code: format!("E-E10-{destination}{:04}", kind + 1),
                name: format!("{destination_name} {name}"),
                destination,
                destination_name,
                country,
                currency,
                base: 1_990 + 700 * i64::try_from(place + 2 * kind).unwrap_or(0),
                modalities: &MODALITIES,
            })
        };
        let mut activities: Vec<Activity> =
            places.into_iter().enumerate().flat_map(of_place).collect();
        activities.extend((1..=ON_SEVERAL_PAGES).map(|number| Activity {
            code: format!("E-E10-ROM{number:04}"),
            name: format!("Rome in {number} steps"),
            destination: "ROM",
            destination_name: "Rome",
            country: "IT",
            currency: "EUR",
            base: 1_500 + i64::from(number),
            modalities: &MODALITIES[..1],
        }));
        Self { activities }
    }

    pub(crate) fn find(&self, code: &str) -> Option<usize> {
        self.activities.iter().position(|it| it.code == code)
    }

    /// What one traveller of this age pays, in minor units; infants take part for nothing.
    pub(crate) fn of_age(&self, chosen: &Chosen, age: u8) -> i64 {
        let activity = &self.activities[chosen.activity];
        let rate = activity.modalities[chosen.modality].rates[chosen.rate];
        let weekend = i64::from(chosen.from.weekday().number_from_monday() > 5);
        let adult =
            activity.base + 850 * i64::try_from(chosen.modality).unwrap_or(0) + 300 * weekend;
        let adult = if rate == Rate::NonRefundable { adult * 9 / 10 } else { adult };
        match age {
            0..=2 => 0,
            3..=11 => adult * 6 / 10,
            _ => adult,
        }
    }

    /// What all of them pay, after `moved` permille of price moves.
    pub(crate) fn total(&self, chosen: &Chosen, ages: &[u8], moved: i64) -> i64 {
        ages.iter().map(|age| self.of_age(chosen, *age)).sum::<i64>() * moved / 1000
    }

    pub(crate) fn rate(&self, chosen: &Chosen) -> Rate {
        self.activities[chosen.activity].modalities[chosen.modality].rates[chosen.rate]
    }
}

/// An activity, a modality, a rate and the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Chosen {
    pub(crate) activity: usize,
    pub(crate) modality: usize,
    pub(crate) rate: usize,
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
}
