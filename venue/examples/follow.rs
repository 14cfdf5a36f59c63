//! Follows a publication of a venue over PostgreSQL's streaming protocol, and prints a line a change:
//!
//! ```sh
//! cargo run --release -p venue --example follow -- URL SLOT PUBLICATION
//! ```
//!
//! The slot must be there: `SELECT pg_create_logical_replication_slot('SLOT', 'pgoutput');`. What was
//! printed is confirmed transaction by transaction, after it was flushed. A run that ended, however,
//! goes on where the last one had confirmed: every change is printed at least once.

use std::collections::HashMap;
use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};
use postgres::config::Host;

/// A place in the stream that can be confirmed.
type Position = u64;

/// What comes out of a replication slot.
enum Event {
    /// A message of the output plug-in pgoutput.
    Message(Vec<u8>),
    /// The end of a transaction.
    Commit(Position),
}

/// A replication slot that is read. All that this program needs of the library that does it.
trait Source {
    /// Waits for what comes next; `None` when the server ends the stream.
    fn next(&mut self) -> Result<Option<Event>>;

    /// Lets the server forget what came before.
    fn confirm(&mut self, position: Position);
}

/// By the crate pgwire-replication.
struct Pgwire {
    runtime: tokio::runtime::Runtime,
    client: pgwire_replication::ReplicationClient,
}

impl Pgwire {
    fn open(url: &str, slot: &str, publication: &str) -> Result<Self> {
        let config: postgres::Config = url.parse().context("not a URL of a database")?;
        let user = config.get_user().context("the URL names no user")?;
        let database = config.get_dbname().context("the URL names no database")?;
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default());
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let config = match config.get_hosts() {
            [Host::Unix(folder)] => pgwire_replication::ReplicationConfig::unix(
                folder.to_string_lossy(),
                port,
                user,
                password,
                database,
                slot,
                publication,
            ),
            [Host::Tcp(name)] => pgwire_replication::ReplicationConfig::new(
                name,
                user,
                password,
                database,
                slot,
                publication,
            )
            .with_port(port),
            _ => bail!("the URL must name one host"),
        };
        // The library answers the server's questions whether we are still there, in a thread of its own.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(pgwire_replication::ReplicationClient::connect(config))?;
        Ok(Self { runtime, client })
    }
}

impl Source for Pgwire {
    fn next(&mut self) -> Result<Option<Event>> {
        use pgwire_replication::ReplicationEvent;
        loop {
            match self.runtime.block_on(self.client.recv())? {
                Some(ReplicationEvent::XLogData { data, .. }) => {
                    return Ok(Some(Event::Message(data.to_vec())));
                }
                Some(ReplicationEvent::Commit { end_lsn, .. }) => {
                    return Ok(Some(Event::Commit(end_lsn.as_u64())));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn confirm(&mut self, position: Position) {
        self.client.update_applied_lsn(pgwire_replication::Lsn::from_u64(position));
    }
}

/// A table as the stream describes it before its first change.
struct Table {
    name: String,
    columns: Vec<String>,
}

/// The messages of pgoutput, protocol version 1.
#[derive(Default)]
struct Decoder {
    tables: HashMap<u32, Table>,
}

impl Decoder {
    /// The line of a change; `None` for messages that are none.
    fn line(&mut self, message: &[u8]) -> Result<Option<String>> {
        let mut input = Input(message);
        let (what, row) = match input.byte()? {
            b'R' => {
                let id = input.number()? as u32;
                let name = format!("{}.{}", input.text()?, input.text()?);
                input.byte()?; // the replica identity
                let columns = input.short()?;
                let columns = (0..columns).map(|_| {
                    input.byte()?; // whether it is of the key
                    let name = input.text()?;
                    input.number()?; // its type
                    input.number()?; // and the type's modifier
                    Ok(name)
                });
                let columns = columns.collect::<Result<_>>()?;
                self.tables.insert(id, Table { name, columns });
                return Ok(None);
            }
            b'I' => ("insert", self.row(&mut input, b"N")?),
            b'U' => {
                // Before the new row may come the old one, or its key.
                let mut row = self.row(&mut input, b"NKO")?;
                if !input.0.is_empty() {
                    let (name, _) = row;
                    row = (name, Input::values(&mut input, b"N")?);
                }
                ("update", row)
            }
            b'D' => ("delete", self.row(&mut input, b"KO")?),
            _ => return Ok(None),
        };
        let (id, values) = row;
        let table = self.tables.get(&id).context("a row of a table that was not described")?;
        ensure!(values.len() == table.columns.len(), "{} has other columns", table.name);
        let fields = table.columns.iter().zip(values);
        let fields = fields.filter_map(|(name, value)| Some(format!(" {name}={}", value?)));
        Ok(Some(format!("{what} {}{}", table.name, fields.collect::<String>())))
    }

    fn row(&self, input: &mut Input<'_>, kinds: &[u8]) -> Result<(u32, Vec<Option<String>>)> {
        Ok((input.number()? as u32, input.values(kinds)?))
    }
}

/// What is left of a message.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length).context("a message ends early")?;
        self.0 = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn short(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn number(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|&byte| byte == 0).context("a name does not end")?;
        let text = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.byte()?;
        Ok(text)
    }

    /// A row, after the letter that says which.
    fn values(&mut self, kinds: &[u8]) -> Result<Vec<Option<String>>> {
        let kind = self.byte()?;
        ensure!(kinds.contains(&kind), "a row of the kind {}", char::from(kind));
        let count = self.short()?;
        (0..count)
            .map(|_| match self.byte()? {
                // NULL, or a large value that did not change.
                b'n' | b'u' => Ok(None),
                b't' => {
                    let length = self.number()?;
                    let bytes = self.take(length.try_into()?)?;
                    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
                }
                other => bail!("a value of the kind {}", char::from(other)),
            })
            .collect()
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, slot, publication] = arguments.as_slice() else {
        bail!("usage: follow URL SLOT PUBLICATION");
    };
    let mut source = Pgwire::open(url, slot, publication)?;
    let mut decoder = Decoder::default();
    let mut out = io::stdout().lock();
    while let Some(event) = source.next()? {
        match event {
            Event::Message(message) => {
                if let Some(line) = decoder.line(&message)? {
                    writeln!(out, "{line}")?;
                }
            }
            Event::Commit(position) => {
                out.flush()?;
                source.confirm(position);
            }
        }
    }
    Ok(())
}
