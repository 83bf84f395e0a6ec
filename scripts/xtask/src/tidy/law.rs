//! Who may import whom: the table that ARCHITECTURE.md draws, as data and in this one place.

/// What one package of ours may import of ours.
pub(crate) struct Allowed {
    pub(crate) package: &'static str,
    /// In what ships (or, for a development crate, in what it is).
    pub(crate) normal: &'static [&'static str],
    /// In its tests, besides.
    pub(crate) tests: &'static [&'static str],
}

/// An outside crate with few homes.
pub(crate) struct Home {
    /// Its name, or the beginning of its name with a `*`.
    pub(crate) dependency: &'static str,
    pub(crate) normal: &'static [&'static str],
    pub(crate) tests: &'static [&'static str],
    pub(crate) instead: &'static str,
}

const fn package(
    package: &'static str,
    normal: &'static [&'static str],
    tests: &'static [&'static str],
) -> Allowed {
    Allowed { package, normal, tests }
}

/// Packages without input and output, in which clippy is asked for three lints more.
pub(crate) const PURE: &[&str] = &[
    "contracts",
    "suppliers",
    "messaging-core",
    "booking-core",
    "supplier-sync-core",
    "payment-verification-core",
    "rewards-core",
];

/// What a pure package, and the simulation of them, never imports.
pub(crate) const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "sqlx",
    "lapin",
    "redis",
    "reqwest",
    "axum",
    "hyper",
    "hyper-util",
    "tower",
    "tower-http",
    "tracing-subscriber",
];

/// Every package, with what of ours it may import. A package that is missing here is refused.
pub(crate) const OURS: &[Allowed] = &[
    package("contracts", &[], &[]),
    package("suppliers", &["contracts"], &[]),
    package("messaging-core", &["contracts"], &[]),
    package("chassis", &[], &[]),
    package("messaging", &["chassis", "contracts", "messaging-core"], &["testkit"]),
    package("testkit", &["chassis", "contracts", "messaging"], &[]),
    package("doubles", &["chassis"], &[]),
    package("conformance", &["contracts", "suppliers"], &["doubles"]),
    package(
        "simulation",
        &[
            "booking-core",
            "contracts",
            "messaging-core",
            "payment-verification-core",
            "rewards-core",
            "supplier-sync-core",
            "suppliers",
        ],
        &[],
    ),
    package(
        "e2e",
        &[
            "booking",
            "chassis",
            "contracts",
            "doubles",
            "messaging",
            "payment-verification",
            "rewards",
            "supplier-callback",
            "supplier-sync",
            "suppliers",
            "support-console",
            "testkit",
        ],
        &[],
    ),
    package("booking-core", &["contracts"], &[]),
    package("supplier-sync-core", &["contracts", "suppliers"], &[]),
    package("payment-verification-core", &["contracts"], &[]),
    package("rewards-core", &["contracts"], &[]),
    package(
        "booking",
        &["booking-core", "chassis", "contracts", "messaging"],
        &["doubles", "testkit"],
    ),
    package(
        "supplier-sync",
        &["chassis", "contracts", "messaging", "supplier-sync-core", "suppliers"],
        &["doubles", "testkit"],
    ),
    package(
        "payment-verification",
        &["chassis", "contracts", "messaging", "payment-verification-core"],
        &["doubles", "testkit"],
    ),
    package(
        "rewards",
        &["chassis", "contracts", "messaging", "rewards-core"],
        &["doubles", "testkit"],
    ),
    package(
        "supplier-callback",
        &["chassis", "contracts", "messaging", "suppliers"],
        &["doubles", "testkit"],
    ),
    package("support-console", &["chassis", "contracts", "messaging"], &["doubles", "testkit"]),
    package("xtask", &[], &[]),
];

/// The services: what has a folder under `services/`.
pub(crate) const SERVICES: &[&str] = &[
    "booking",
    "supplier-sync",
    "supplier-callback",
    "payment-verification",
    "rewards",
    "support-console",
];

/// Outside crates that live in few places. `services` stands for all of them.
pub(crate) const HOMES: &[Home] = &[
    Home {
        dependency: "lapin",
        normal: &["messaging", "testkit", "e2e"],
        tests: &["messaging"],
        instead: "hear and speak through `messaging`",
    },
    Home {
        dependency: "opentelemetry*",
        normal: &["chassis", "testkit", "e2e"],
        tests: &["chassis"],
        instead: "`chassis` has the telemetry",
    },
    Home {
        dependency: "tracing-opentelemetry",
        normal: &["chassis", "testkit"],
        tests: &["chassis"],
        instead: "`chassis` has the telemetry",
    },
    Home {
        dependency: "tracing-subscriber",
        normal: &["chassis", "testkit"],
        tests: &["chassis"],
        instead: "`chassis` has the telemetry",
    },
    Home {
        dependency: "reqwest",
        normal: &["chassis", "testkit", "doubles", "e2e", "conformance"],
        tests: &["chassis", "messaging", "doubles", "services"],
        instead: "`chassis::HttpClient` has the time-outs, the size cap and the trace",
    },
    Home {
        dependency: "redis",
        normal: &["services", "testkit", "e2e"],
        tests: &["services"],
        instead: "Redis is a service's cache, in its `cache.rs`",
    },
    Home {
        dependency: "sqlx",
        normal: &["messaging", "testkit", "services", "e2e"],
        tests: &["messaging", "services"],
        instead: "only services, `messaging` and the tests speak SQL",
    },
];
