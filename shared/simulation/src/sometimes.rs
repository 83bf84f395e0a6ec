//! Rare things that have to happen now and then, else a run proves less than it seems to.

use std::collections::BTreeMap;

/// Everything that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sometimes {
    TimeoutBeforeArrival,
    TimeoutAfterCommit,
    LateCommit,
    PromiseBroken,
    DuplicateReserve,
    RefusedThenFound,
    NotFoundThenFound,
    SecondAttempt,
    TwoLiveForAWhile,
    HoldLapsed,
    SpentLink,
    NotToBeCancelled,
    ExchangeWentOn,
    ExchangeCutShort,
    CrashBetweenCalls,
    StillUnderWay,
    BoughtToHold,
    AnswerAfterLease,
    CrashBeforeCommit,
    CrashBetweenCommitAndAck,
    CrashBetweenCommitAndPublish,
    CrashBetweenCommitAndSend,
    CrashBetweenSendAndRecord,
    DeliveryLost,
    ConfirmLost,
    RepeatAbsorbed,
    StaleNewsIgnored,
    Quarantined,
    Exhausted,
    DeadLetterReplayedTwice,
    CallbackAfterClosed,
    CallbackBeforeAnswer,
    CallbackForged,
    CallbackRepeated,
    Reorg,
    TransferDropped,
    LossWrittenOff,
    ShortThenToppedUp,
    PaidTooMuch,
    PaidAfterDeadline,
    PaidWhileClosing,
    CancelledByCustomer,
    CancelledWhenBought,
    CancelledForAFee,
    RefundAddressGiven,
    CancelRefused,
    PointsRefused,
    LegsWentApart,
    UndoAgain,
    SupplierTookBack,
    NotAsOrdered,
    AcceptRepeated,
    CommitUnknown,
    CallbackTooOld,
    CallbackUntrue,
    ThreeLegs,
    PaidByPointsAlone,
    RefundArrived,
    RefundRefused,
    RefundSentTwice,
    RefundOfAnotherAmount,
    RefundAddressedAnew,
    RefundLetGo,
    AgreedTooLate,
    PaidInTheLastBlocks,
    ReviewOpened,
    Completed,
    ReorgBelowFinal,
    ConfirmationOvertaken,
    AmendmentStarted,
    DifferenceAsked,
    DifferencePaid,
    DifferenceUnpaid,
    AmendmentFailed,
    LegReplaced,
    LegRepriced,
    TermsAccepted,
    TermsUnanswered,
    CallPutOff,
    ReserveTurnedAway,
    SupplierMoved,
    ChangeUnanswered,
    ChangeAccepted,
    ChangeRefunded,
    TripUndone,
    ChangedAgain,
    LegGivenBack,
    LegGivenUp,
    LegCancellationDeferred,
    CancellationDeferred,
    LegLeftOut,
    CardTaken,
    CardLetGo,
    CardGivesBack,
    CardRefundFailed,
    CardLost,
    CardAnswerLost,
    CardPushRepeated,
}

impl Sometimes {
    pub const ALL: [Self; 98] = [
        Self::TimeoutBeforeArrival,
        Self::TimeoutAfterCommit,
        Self::LateCommit,
        Self::PromiseBroken,
        Self::DuplicateReserve,
        Self::RefusedThenFound,
        Self::NotFoundThenFound,
        Self::SecondAttempt,
        Self::TwoLiveForAWhile,
        Self::HoldLapsed,
        Self::SpentLink,
        Self::NotToBeCancelled,
        Self::ExchangeWentOn,
        Self::ExchangeCutShort,
        Self::CrashBetweenCalls,
        Self::StillUnderWay,
        Self::BoughtToHold,
        Self::AnswerAfterLease,
        Self::CrashBeforeCommit,
        Self::CrashBetweenCommitAndAck,
        Self::CrashBetweenCommitAndPublish,
        Self::CrashBetweenCommitAndSend,
        Self::CrashBetweenSendAndRecord,
        Self::DeliveryLost,
        Self::ConfirmLost,
        Self::RepeatAbsorbed,
        Self::StaleNewsIgnored,
        Self::Quarantined,
        Self::Exhausted,
        Self::DeadLetterReplayedTwice,
        Self::CallbackAfterClosed,
        Self::CallbackBeforeAnswer,
        Self::CallbackForged,
        Self::CallbackRepeated,
        Self::Reorg,
        Self::TransferDropped,
        Self::LossWrittenOff,
        Self::ShortThenToppedUp,
        Self::PaidTooMuch,
        Self::PaidAfterDeadline,
        Self::PaidWhileClosing,
        Self::CancelledByCustomer,
        Self::CancelledWhenBought,
        Self::CancelledForAFee,
        Self::RefundAddressGiven,
        Self::CancelRefused,
        Self::PointsRefused,
        Self::LegsWentApart,
        Self::UndoAgain,
        Self::SupplierTookBack,
        Self::NotAsOrdered,
        Self::AcceptRepeated,
        Self::CommitUnknown,
        Self::CallbackTooOld,
        Self::CallbackUntrue,
        Self::ThreeLegs,
        Self::PaidByPointsAlone,
        Self::RefundArrived,
        Self::RefundRefused,
        Self::RefundSentTwice,
        Self::RefundOfAnotherAmount,
        Self::RefundAddressedAnew,
        Self::RefundLetGo,
        Self::AgreedTooLate,
        Self::PaidInTheLastBlocks,
        Self::ReviewOpened,
        Self::Completed,
        Self::ReorgBelowFinal,
        Self::ConfirmationOvertaken,
        Self::AmendmentStarted,
        Self::DifferenceAsked,
        Self::DifferencePaid,
        Self::DifferenceUnpaid,
        Self::AmendmentFailed,
        Self::LegReplaced,
        Self::LegRepriced,
        Self::TermsAccepted,
        Self::TermsUnanswered,
        Self::CallPutOff,
        Self::ReserveTurnedAway,
        Self::SupplierMoved,
        Self::ChangeUnanswered,
        Self::ChangeAccepted,
        Self::ChangeRefunded,
        Self::TripUndone,
        Self::ChangedAgain,
        Self::LegGivenBack,
        Self::LegGivenUp,
        Self::LegCancellationDeferred,
        Self::CancellationDeferred,
        Self::LegLeftOut,
        Self::CardTaken,
        Self::CardLetGo,
        Self::CardGivesBack,
        Self::CardRefundFailed,
        Self::CardLost,
        Self::CardAnswerLost,
        Self::CardPushRepeated,
    ];

    /// Its word in the output: `timeout_after_commit`.
    #[must_use]
    pub fn word(self) -> String {
        let mut word = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.push(letter.to_ascii_lowercase());
        }
        word
    }
}

/// How often each happened.
#[derive(Debug, Clone, Default)]
pub struct Counters(BTreeMap<Sometimes, u64>);

impl Counters {
    pub(crate) fn hit(&mut self, what: Sometimes) {
        *self.0.entry(what).or_default() += 1;
    }

    #[must_use]
    pub fn of(&self, what: Sometimes) -> u64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(*what).or_default() += count;
        }
    }

    /// All of them by word, also those that never happened.
    #[must_use]
    pub fn by_word(&self) -> BTreeMap<String, u64> {
        Sometimes::ALL.into_iter().map(|what| (what.word(), self.of(what))).collect()
    }
}
