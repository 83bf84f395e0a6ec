//! Every step of a booking meets every fault in turn, and every booking comes to its end.

mod booking;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contracts::{envelope::header, routing::hearers};
use futures::future::{join_all, try_join_all};
use serde::Serialize;

use super::{Report, converge, faults::signal, told};
use crate::{
    Options, Profile, Stack,
    broker::Broker,
    traveller::{Traveller, Trip},
    truth::{Accepted, World},
};

/// How long a process that was killed is away.
const AWAY_FOR: Duration = Duration::from_millis(200);
/// How long a process stands still: longer than it may wait for any answer of a supplier.
const STANDS_FOR: Duration = Duration::from_secs(3);

/// How far a booking is when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its click was answered a moment ago.
    Clicked,
    /// Its supplier made the reservation a moment ago, and answers nothing.
    Asked,
    /// The same, and its customer cancelled meanwhile.
    Left,
    /// Its address is shown.
    Held,
    /// Its money was sent a moment ago.
    Paid,
    /// Its money was seen, and is not final.
    Seen,
    /// It was confirmed, and its customer cancelled a moment ago.
    Cancelled,
    /// Its supplier did not sell it although it was paid, and it is being undone.
    Refused,
}

impl Step {
    pub const ALL: [Self; 8] = [
        Self::Clicked,
        Self::Asked,
        Self::Left,
        Self::Held,
        Self::Paid,
        Self::Seen,
        Self::Cancelled,
        Self::Refused,
    ];

    /// How a booking ends whatever happens at this step.
    const fn end(self) -> &'static str {
        match self {
            Self::Clicked | Self::Asked | Self::Held | Self::Paid | Self::Seen => "confirmed",
            Self::Left | Self::Cancelled => "cancelled",
            Self::Refused => "failed",
        }
    }
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A process is killed and comes back.
    Kill,
    /// A process stands still, and goes on when its leases have run out.
    Delay,
    /// Every message that was said up to there comes a second time; those after it, once it ended.
    Repeat,
    /// The supplier fails at what is asked of it at that step, or next after it.
    Fail,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Kill, Self::Delay, Self::Repeat, Self::Fail];

    const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Delay => "delay",
            Self::Repeat => "repeat",
            Self::Fail => "fail",
        }
    }

    /// Steps of bookings that are under way at the same time. What a supplier does wrong it does to
    /// whoever comes next, so that bookings for which it differs go one after the other.
    fn rounds(self, only: &[Step]) -> Vec<Vec<Step>> {
        use Step::{Asked, Cancelled, Clicked, Held, Left, Paid, Refused, Seen};
        let rounds: Vec<&[Step]> = match self {
            Self::Fail => Step::ALL.chunks(1).collect(),
            _ => vec![&[Clicked, Held, Paid, Seen], &[Asked, Left], &[Cancelled], &[Refused]],
        };
        let asked =
            |round: &[Step]| round.iter().copied().filter(|one| only.contains(one)).collect();
        rounds.into_iter().map(asked).filter(|round: &Vec<Step>| !round.is_empty()).collect()
    }
}

/// What came of the bookings that met one fault at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub fault: Fault,
    pub step: Step,
    /// The end that they have to come to.
    pub end: &'static str,
    pub bookings: usize,
    /// Those that came to it in time.
    pub ended: usize,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
pub struct Steps {
    #[serde(flatten)]
    pub report: Report,
    pub matrix: Vec<Cell>,
    /// Messages that came a second time.
    pub repeated: usize,
}

/// Lets some faults happen at some steps, those of processes to each of some services; `tell` hears
/// of every one, of what did not end as it should, and of the whole table at the end.
///
/// # Errors
/// When the system cannot be started, or a booking does not get to its step.
pub async fn steps(
    services: &[&str],
    faults: &[Fault],
    only: &[Step],
    tell: impl Fn(&str),
) -> anyhow::Result<Steps> {
    let options =
        Options { profile: Profile::Demo, share_of_traces: 0.0, ..Options::test("steps") };
    let stack = Stack::start(options).await?;
    let world = World::of(&stack).await?;
    let mut run = Run { stack: &stack, accepted: Vec::new(), cells: BTreeMap::new(), repeated: 0 };
    let (mut kills, mut late) = (BTreeMap::new(), Vec::new());
    for fault in faults {
        let whom = match fault {
            Fault::Kill | Fault::Delay => services,
            Fault::Repeat => &["messages"],
            Fault::Fail => &["the supplier"],
        };
        let rounds = fault.rounds(only);
        let each = whom.iter().flat_map(|service| rounds.iter().map(move |round| (service, round)));
        for (service, round) in each {
            tell(&format!("{} {service} at {round:?}", fault.word()));
            let wrong = run.meet(*fault, service, round).await?;
            wrong.iter().for_each(|line| tell(line));
            late.extend(wrong);
            let kind = if *fault == Fault::Kill { *service } else { fault.word() };
            *kills.entry(kind.to_owned()).or_default() += u32::try_from(round.len())?;
        }
    }
    let Run { accepted, cells, repeated, .. } = run;
    let began = Instant::now();
    let (compared, parked) = converge(&stack, &world, &accepted, began, true).await?;
    let mut report = told(&compared, kills, parked, began.elapsed(), 0);
    report.look_for_sent_again(&stack.double()).await?;
    report.stuck += late.len();
    report.wrong.extend(late);
    let matrix: Vec<Cell> = cells.into_values().collect();
    table(&matrix).iter().for_each(|line| tell(line));
    stack.stop().await.ok();
    Ok(Steps { report, matrix, repeated })
}

/// A line for each step, a column for each fault: how many came to the end that they should.
fn table(matrix: &[Cell]) -> Vec<String> {
    let mut lines = vec![format!("{:<11}{:<11}", "step", "end")];
    Fault::ALL.iter().for_each(|fault| lines[0] += &format!("{:>8}", fault.word()));
    for step in Step::ALL {
        let mut line = format!("{:<11}{:<11}", format!("{step:?}").to_lowercase(), step.end());
        for fault in Fault::ALL {
            let cell = matrix.iter().find(|cell| (cell.step, cell.fault) == (step, fault));
            let shown = cell.map(|cell| format!("{}/{}", cell.ended, cell.bookings));
            line += &format!("{:>8}", shown.unwrap_or_default());
        }
        lines.push(line);
    }
    lines
}

struct Run<'a> {
    stack: &'a Stack,
    accepted: Vec<Accepted>,
    cells: BTreeMap<(Fault, Step), Cell>,
    repeated: usize,
}

impl Run<'_> {
    /// Brings one booking to each step, lets the fault happen, and sees the bookings to their ends;
    /// a line for each that does not get there.
    async fn meet(
        &mut self,
        fault: Fault,
        service: &str,
        round: &[Step],
    ) -> anyhow::Result<Vec<String>> {
        let (stack, double) = (self.stack, self.stack.double());
        let account = format!("steps-{}-{service}", fault.word()).replace(' ', "-");
        let traveller = Traveller::of(stack, &account).await?;
        let broker = Broker::of(stack).await?;
        let said = if fault == Fault::Repeat { Some(broker.listen().await?) } else { None };
        let there = round.iter().map(|step| booking::come_to(stack, &traveller, *step, fault));
        let trips = try_join_all(there).await?;
        match fault {
            Fault::Kill => {
                stack.kill(service);
                tokio::time::sleep(AWAY_FOR).await;
                stack.restart(service).await?;
            }
            Fault::Delay => {
                if let Some(pid) = stack.pid(service) {
                    signal(pid, "STOP");
                    tokio::time::sleep(STANDS_FOR).await;
                    signal(pid, "CONT");
                }
            }
            Fault::Repeat | Fault::Fail => {}
        }
        if let Some(said) = &said {
            self.repeated += repeat(&broker, said).await?;
        }
        let ends = round.iter().zip(&trips);
        let ends = ends.map(|(step, trip)| booking::finish(&double, &traveller, *step, trip));
        let mut late = Vec::new();
        for (step, end) in round.iter().zip(join_all(ends).await) {
            let (fault, step) = (fault, *step);
            let cell = Cell { fault, step, end: step.end(), bookings: 0, ended: 0 };
            let cell = self.cells.entry((fault, step)).or_insert(cell);
            cell.bookings += 1;
            match end {
                Ok(()) => cell.ended += 1,
                Err(why) => {
                    late.push(format!("{} {service} at {step:?}: {why:#}", fault.word()));
                }
            }
        }
        if let Some(said) = &said {
            self.repeated += repeat(&broker, said).await?;
        }
        double.clear_faults().await?;
        self.accepted.extend(trips.iter().map(Trip::accepted));
        Ok(late)
    }
}

/// Whoever heard a message hears it a second time; how many there were.
async fn repeat(broker: &Broker, said: &str) -> anyhow::Result<usize> {
    let mut repeated = 0;
    for letter in broker.drain(said).await? {
        for (role, _) in hearers(&letter.header(header::TYPE)) {
            broker.put(&broker.routing().queue(role), &letter).await?;
            repeated += 1;
        }
    }
    Ok(repeated)
}
