//! Round after round of load, fault, recovery and audit, on one venue after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use auditor::incarnations::End;
use auditor::{Testimony, Verdict};
use tests::Session;
use tests::audit::Replay;
use tests::random::Random;

use crate::clients::{Clients, ROLE_PREFIX};
use crate::faults::{Effect, Kind};
use crate::site::Site;

/// Commands after which a new venue begins: each audit looks at all that there is.
const MOST_COMMANDS: i64 = 25_000;
/// How long clients may wait for answers once a fault is over, and cursors to meet.
const PATIENCE: Duration = Duration::from_secs(90);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What everything follows from.
    pub seed: u64,
    /// No round begins after so long.
    pub duration: Duration,
    /// Which faults.
    pub faults: Vec<Kind>,
    /// How many traders.
    pub traders: usize,
    /// Rounds at most.
    pub rounds: u64,
    /// Whether the cluster of a finding is left to be looked at.
    pub keeps_finding: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    faults: BTreeMap<Kind, u64>,
    skipped: BTreeMap<Kind, u64>,
    longest_gaps: BTreeMap<Kind, Duration>,
    venues: u64,
    /// Of the venues that are over.
    past: Totals,
    /// Of the present one.
    present: Totals,
    audits: u64,
    standby_audits: u64,
    replays: u64,
}

/// What happened on venues.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    commands: i64,
    orders: usize,
    trades: i64,
    durable: usize,
    early: usize,
    gone: usize,
    doubtful_there: usize,
    doubtful_absent: usize,
}

impl Totals {
    fn of(verdict: &Verdict, commands: i64) -> Self {
        let Verdict { orders, trades, durable, early, gone, .. } = *verdict;
        let Verdict { doubtful_there, doubtful_absent, .. } = *verdict;
        Self { commands, orders, trades, durable, early, gone, doubtful_there, doubtful_absent }
    }

    fn add(&mut self, other: Self) {
        self.commands += other.commands;
        self.orders += other.orders;
        self.trades += other.trades;
        self.durable += other.durable;
        self.early += other.early;
        self.gone += other.gone;
        self.doubtful_there += other.doubtful_there;
        self.doubtful_absent += other.doubtful_absent;
    }
}

impl Figures {
    /// Audits that found nothing wrong.
    pub fn audits(&self) -> u64 {
        self.audits
    }

    fn end_venue(&mut self) {
        self.past.add(std::mem::take(&mut self.present));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.past;
        all.add(self.present);
        writeln!(
            f,
            "{:>24} {:>6} {:>8} {:>24}",
            "fault", "times", "skipped", "longest gap in answers"
        )?;
        for kind in Kind::ALL {
            let count = |of: &BTreeMap<Kind, u64>| of.get(&kind).copied().unwrap_or(0);
            let (times, skipped) = (count(&self.faults), count(&self.skipped));
            if times + skipped > 0 {
                let gap = self.longest_gaps.get(&kind).map_or(0.0, Duration::as_secs_f64);
                writeln!(f, "{kind:>24} {times:>6} {skipped:>8} {gap:>22.2} s")?;
            }
        }
        writeln!(
            f,
            "{} faults on {} venues; {} commands, {} orders, {} trades",
            self.faults.values().sum::<u64>(),
            self.venues,
            all.commands,
            all.orders,
            all.trades
        )?;
        writeln!(
            f,
            "orders acknowledged: {} durable, of which lost: 0; {} early, of which gone in crashes: {}",
            all.durable, all.early, all.gone
        )?;
        writeln!(
            f,
            "orders whose answer was lost: {} there once, {} not there",
            all.doubtful_there, all.doubtful_absent
        )?;
        write!(
            f,
            "{} audits, {} of the standby, {} replays: nothing found",
            self.audits, self.standby_audits, self.replays
        )
    }
}

/// What the auditor found.
#[derive(Debug)]
pub struct Unsound(pub Verdict);

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit found something: {}", self.0)
    }
}

impl std::error::Error for Unsound {}

/// The campaign as it goes on.
pub struct Campaign {
    plan: Plan,
    started: Instant,
    figures: Figures,
    round: u64,
    /// The faults that come next.
    deck: Vec<Kind>,
    /// How long the parts of the last audit took.
    laps: String,
}

/// How long one part takes after the other.
struct Stopwatch {
    began: Instant,
    laps: Vec<String>,
}

impl Stopwatch {
    fn new() -> Self {
        Self { began: Instant::now(), laps: Vec::new() }
    }

    fn lap(&mut self, of: &str) {
        self.laps.push(format!("{of} {:.1}", self.began.elapsed().as_secs_f64()));
        self.began = Instant::now();
    }
}

/// A venue that is tortured.
struct Venue {
    site: Site,
    clients: Clients,
    /// As far as the last audit came.
    replay: RefCell<Option<Replay>>,
}

impl Campaign {
    /// Nothing has happened yet.
    pub fn new(plan: Plan) -> Self {
        let figures = Figures::default();
        Self {
            plan,
            started: Instant::now(),
            figures,
            round: 0,
            deck: Vec::new(),
            laps: String::new(),
        }
    }

    /// What came of it so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Goes through with it; the first finding is an error.
    pub fn run(&mut self) -> Result<()> {
        while !self.is_over() {
            let venue = self.begin_venue()?;
            let result = catch_unwind(AssertUnwindSafe(|| self.torture(&venue)));
            let result = result.unwrap_or_else(|panic| Err(anyhow!("{}", words_of(&*panic))));
            match result {
                Ok(()) => {
                    venue.clients.end()?;
                    venue.site.remove()?;
                    self.figures.end_venue();
                }
                Err(finding) if !self.plan.keeps_finding => {
                    // Clients that wait for answers have them, or their connections end.
                    venue.site.remove()?;
                    return Err(finding.context(format!("round {}", self.round)));
                }
                Err(finding) => {
                    let folder = venue.site.folder().to_owned();
                    venue.site.keep()?;
                    return Err(finding.context(format!(
                        "round {}; the cluster and its log are kept in {}",
                        self.round,
                        folder.display()
                    )));
                }
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.started.elapsed() >= self.plan.duration || self.round >= self.plan.rounds
    }

    fn begin_venue(&mut self) -> Result<Venue> {
        self.figures.venues += 1;
        let name = format!("pg_exchange-torture-{}-{}", std::process::id(), self.figures.venues);
        let mut site = Site::make(&std::env::temp_dir().join(name))?;
        if self.figures.venues == 1 {
            for lacking in &site.lacking {
                println!("THE VENUE LACKS {}: {}", lacking.what, lacking.because);
            }
        }
        site.cluster.create_database(venue::cluster::DATABASE)?;
        let mut superuser = site.superuser()?;
        superuser.run("CREATE EXTENSION pg_exchange");
        wait_until_running(&mut superuser)?;
        site.add_standby(self.figures.venues.is_multiple_of(2))?;
        let seed = self.plan.seed.wrapping_add(self.figures.venues << 32);
        let connection = |role: &str| site.connection(role);
        let clients = Clients::begin(&mut superuser, connection, self.plan.traders, seed)?;
        Ok(Venue { site, clients, replay: RefCell::default() })
    }

    /// Rounds, until the venue has grown too large or the time is over.
    fn torture(&mut self, venue: &Venue) -> Result<()> {
        while !self.is_over() && self.figures.present.commands < MOST_COMMANDS {
            self.round += 1;
            let mut random = Random::new(self.plan.seed, u64::MAX - self.round);
            let kind = self.next_fault(&mut random);
            self.round(venue, kind, &mut random).with_context(|| format!("fault {kind}"))?;
        }
        // The replays between went on from one another; this one begins with the first command.
        venue.clients.pause(PATIENCE)?;
        venue.replay.take();
        self.audit(venue, Effect::None).context("the end of the venue")?;
        Ok(())
    }

    /// Every kind comes once before any comes again.
    fn next_fault(&mut self, random: &mut Random) -> Kind {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.plan.faults);
        }
        let last = self.deck.len() as i64 - 1;
        self.deck.swap_remove(random.between(0, last) as usize)
    }

    fn round(&mut self, venue: &Venue, kind: Kind, random: &mut Random) -> Result<()> {
        let shared = &venue.clients.shared;
        let before = random.between(300, 1_500).cast_unsigned();
        std::thread::sleep(Duration::from_millis(before));
        shared.watch_service();
        let began = Instant::now();
        let Some(done) = kind.inflict(&venue.site, shared, random)? else {
            *self.figures.skipped.entry(kind).or_default() += 1;
            println!("{:8.1} s  {kind:<24} SKIPPED: see above what is lacking", self.seconds());
            return Ok(());
        };
        let over = Instant::now();
        while !shared.has_answered_since(over) {
            ensure!(over.elapsed() < PATIENCE, "no durable answer came for {PATIENCE:?} after it");
            std::thread::sleep(Duration::from_millis(1));
        }
        let after = random.between(200, 800).cast_unsigned();
        std::thread::sleep(Duration::from_millis(after));
        let gap = shared.longest_gap();
        *self.figures.faults.entry(kind).or_default() += 1;
        let longest = self.figures.longest_gaps.entry(kind).or_default();
        *longest = (*longest).max(gap);
        print!(
            "{:8.1} s  {kind:<24} {done}; longest gap in answers {:.2} s of {:.1} s; ",
            self.seconds(),
            gap.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        let paused = Instant::now();
        venue.clients.pause(PATIENCE)?;
        let verdict = self.audit(venue, kind.effect())?;
        println!("{verdict}; audited in {:.1} s ({})", paused.elapsed().as_secs_f64(), self.laps);
        venue.clients.resume();
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Audits the venue, which nobody trades on, by both auditors.
    fn audit(&mut self, venue: &Venue, effect: Effect) -> Result<Verdict> {
        let mut session = venue.site.superuser()?;
        let mut watch = Stopwatch::new();
        come_to_rest(&mut session)?;
        watch.lap("rest");
        settle(&mut session, &venue.clients)?;
        watch.lap("settling");
        self.end_lives(&mut session, venue, effect)?;
        let testimonies = venue.clients.testimonies();
        let testimonies: Vec<&Testimony> =
            testimonies.iter().map(|testimony| &**testimony).collect();
        let verdict =
            auditor::audit(session.client(), &venue.clients.shared.incarnations(), &testimonies)?;
        ensure!(verdict.findings.is_empty(), Unsound(verdict));
        self.figures.audits += 1;
        watch.lap("audit");
        self.audit_standby(&mut session, venue, &testimonies)?;
        watch.lap("standby");
        let replay = &mut *venue.replay.borrow_mut();
        let replay = replay.get_or_insert_with(|| Replay::new(&mut session));
        let replayed = tests::audit::audit_further(replay, &mut session, &[]);
        ensure!(replayed.findings.is_empty(), "the replay found something: {replayed}");
        self.figures.replays += 1;
        watch.lap("replay");
        self.laps = watch.laps.join(", ");
        self.figures.present = Totals::of(&verdict, replayed.commands.cast_signed());
        Ok(verdict)
    }

    /// Audits the standby, once it has all that the primary has.
    fn audit_standby(
        &mut self,
        primary: &mut Session,
        venue: &Venue,
        testimonies: &[&Testimony],
    ) -> Result<()> {
        let Some(standby) = &venue.site.standby else { return Ok(()) };
        // A commit of its own takes what was not flushed yet along.
        primary.run("SELECT pg_logical_emit_message(true, 'torture', '')");
        let row = primary.one("SELECT pg_current_wal_flush_lsn(), exchange.wait_for('published')");
        let (position, published) = row.split_once('|').context("there are two columns")?;
        let mut session = standby.superuser()?;
        wait_for("the standby has all that the primary has", || {
            Ok(session.is_true(&format!(
                "SELECT pg_last_wal_replay_lsn() >= '{position}' AND published >= {published}
                 FROM exchange.pg_stat_exchange"
            )))
        })?;
        let lives = venue.clients.shared.incarnations();
        let verdict = auditor::audit(session.client(), &lives, testimonies)?;
        ensure!(verdict.findings.is_empty(), anyhow!(Unsound(verdict)).context("on the standby"));
        self.figures.standby_audits += 1;
        Ok(())
    }

    /// Notes how the lives of the server ended that are over, which must have been by the fault.
    fn end_lives(&self, session: &mut Session, venue: &Venue, effect: Effect) -> Result<()> {
        let mut lives = venue.clients.shared.incarnations();
        let present = lives.number(&session.one(auditor::Incarnations::QUERY));
        let ended = match effect {
            Effect::None | Effect::Stop => lives.end_others(present, End::Stopped),
            Effect::Crash | Effect::MayCrash => lives.end_others(present, End::Crashed),
        };
        match (effect, ended) {
            (Effect::None, 1..) => bail!("the server crashed: see its log"),
            (Effect::Stop | Effect::Crash, 2..) => {
                bail!("the server crashed once more: see its log")
            }
            _ => Ok(()),
        }
    }
}

/// What a panic said.
fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn wait_until_running(session: &mut Session) -> Result<()> {
    wait_for("all workers run", || {
        Ok(session.is_true("SELECT bool_and(state = 'running') FROM exchange.workers"))
    })
}

/// Waits until nothing happens any more by itself on a venue that nobody trades on.
pub fn come_to_rest(session: &mut Session) -> Result<()> {
    wait_until_running(session)?;
    // Price bands could begin a halt whenever one ends.
    session.run("SELECT exchange.set_price_rules(symbol) FROM exchange.instruments");
    wait_for("nothing is due any more", || {
        session.wait_for_tables();
        Ok(session.is_true(
            "SELECT NOT EXISTS (SELECT FROM exchange.open_orders WHERE expire_at IS NOT NULL)
                AND NOT EXISTS (SELECT FROM exchange.instrument_states
                                WHERE halt_until IS NOT NULL)",
        ))
    })
}

/// Waits until those whose connections are gone have left, their orders with them, and the cursors
/// have met.
pub fn settle(session: &mut Session, clients: &Clients) -> Result<()> {
    let testimonies = clients.testimonies();
    let bound: Vec<i64> =
        testimonies.iter().flat_map(|testimony| testimony.orders_of_lost_connections()).collect();
    wait_for("orders end with the connections that they were bound to", || {
        session.wait_for_tables();
        let open = session.client().query_one(
            "SELECT count(*) FROM exchange.open_orders
             WHERE order_id = ANY ($1) AND session_id IS NOT NULL",
            &[&bound],
        )?;
        Ok(open.get::<_, i64>(0) == 0)
    })?;
    let connected = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE usename ~ '^{ROLE_PREFIX}' AND backend_type = 'client backend'"
    );
    wait_for("backends end with their connections", || {
        Ok(session.number(&connected) <= testimonies.len() as i64)
    })?;
    wait_for("the cursors meet", || {
        session.wait_for_books();
        session.wait_for_tables();
        let row = session.one(
            "SELECT halted_because, submissions_waiting = 0
                    AND matched = ALL (ARRAY[durable, published, projected])
             FROM exchange.pg_stat_exchange",
        );
        let (halted, met) = row.rsplit_once('|').context("there are two columns")?;
        ensure!(halted == "-", "the exchange has halted by itself: {halted}");
        Ok(met == "t")
    })
}
