//! Keys, problems and samples.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{Config, Problems, Vars, check_sample};
use crate::telemetry::{LogFormat, TelemetryConfig};

#[derive(Debug)]
struct Inn {
    addr: std::net::SocketAddr,
    database_url: secrecy::SecretString,
    prefetch: u16,
    wait: Duration,
    body_max: usize,
    upstream: String,
    origins: Vec<String>,
    telemetry: TelemetryConfig,
}

impl Config for Inn {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        vars.finish(Self {
            addr: vars.addr("INN_HTTP_ADDR"),
            database_url: vars.secret("INN_DATABASE_URL"),
            prefetch: vars.parse("INN_PREFETCH", 200),
            wait: vars.duration("INN_WAIT", Duration::from_secs(30)),
            body_max: vars.size("INN_BODY_MAX", 64 << 10),
            upstream: vars.url("INN_UPSTREAM_URL"),
            origins: vars.list("INN_ORIGINS"),
            telemetry: vars.telemetry("INN"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

const SAMPLE: &str = "
# Where it listens.
INN_HTTP_ADDR=127.0.0.1:8080
INN_DATABASE_URL=postgres://inn:secret@localhost/inn
INN_PREFETCH=64
INN_WAIT=200ms
INN_BODY_MAX=16MiB
INN_UPSTREAM_URL=http://localhost:9000/
INN_ORIGINS=https://a.example, https://b.example
INN_TELEMETRY_OTLP_URL=
INN_TELEMETRY_SHARE=0.5
INN_LOG_FILTER=info,inn=debug
INN_LOG_FORMAT=pretty
";

#[test]
fn reads_every_kind_of_value() {
    let inn = check_sample::<Inn>(SAMPLE).unwrap();
    assert_eq!(inn.addr, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(inn.database_url.expose_secret(), "postgres://inn:secret@localhost/inn");
    assert_eq!((inn.prefetch, inn.wait), (64, Duration::from_millis(200)));
    assert_eq!((inn.body_max, inn.upstream.as_str()), (16 << 20, "http://localhost:9000"));
    assert_eq!(inn.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(inn.telemetry.otlp_url, None);
    assert_eq!(inn.telemetry.log_format, LogFormat::Pretty);
    assert!(!format!("{inn:?}").contains("secret@"), "{inn:?}");
}

#[test]
fn says_all_problems_at_once_and_no_secret() {
    let lookup = |key: &str| match key {
        "INN_PREFETCH" => Some("many".to_owned()),
        "INN_WAIT" => Some("30".to_owned()),
        "INN_BODY_MAX" => Some("64kb".to_owned()),
        "INN_UPSTREAM_URL" => Some("ftp://user:hunter2@host".to_owned()),
        "INN_LOG_FORMAT" => Some("xml".to_owned()),
        "INN_TELEMETRY_SHARE" => Some("2".to_owned()),
        "INN_LOG_FILTER" => Some("inn=loud".to_owned()),
        _ => None,
    };
    let problems = Inn::from_vars(&Vars::new(&lookup)).unwrap_err().to_string();
    let keys: Vec<_> = problems.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        keys,
        [
            "INN_HTTP_ADDR",
            "INN_DATABASE_URL",
            "INN_PREFETCH",
            "INN_WAIT",
            "INN_BODY_MAX",
            "INN_UPSTREAM_URL",
            "INN_TELEMETRY_SHARE",
            "INN_LOG_FILTER",
            "INN_LOG_FORMAT"
        ]
    );
    assert!(problems.contains("INN_HTTP_ADDR is not set"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn a_sample_that_differs_from_the_code_is_refused() {
    let extra = format!("{SAMPLE}INN_TYPO=1\n");
    assert_eq!(check_sample::<Inn>(&extra).unwrap_err(), ["INN_TYPO is read by nobody"]);
    let short = SAMPLE.replace("INN_PREFETCH=64\n", "");
    assert_eq!(check_sample::<Inn>(&short).unwrap_err(), ["INN_PREFETCH is not in the sample"]);
    let bad = SAMPLE.replace("127.0.0.1:8080", "here");
    let differences = check_sample::<Inn>(&bad).unwrap_err();
    assert!(differences[0].starts_with("INN_HTTP_ADDR cannot be `here`"), "{differences:?}");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let path = std::env::temp_dir().join(format!("chassis-secret-{}", crate::mint::token()));
    std::fs::write(&path, "s3cret\n").unwrap();
    let text = path.display().to_string();
    let lookup = |key: &str| (key == "INN_KEY_FILE").then(|| text.clone());
    let vars = Vars::new(&lookup);
    assert_eq!(vars.secret("INN_KEY").expose_secret(), "s3cret");
    assert!(vars.finish(()).is_ok());
    std::fs::remove_file(&path).unwrap();
    drop(vars.secret("INN_KEY"));
    let problems = vars.finish(()).unwrap_err().to_string();
    assert!(problems.contains("INN_KEY_FILE names"), "{problems}");
}
