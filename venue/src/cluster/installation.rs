//! Which PostgreSQL is used.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::process;

/// An installed PostgreSQL, as its `pg_config` describes it.
#[derive(Clone, Debug)]
pub struct Installation {
    bindir: PathBuf,
    pkglibdir: PathBuf,
}

impl Installation {
    /// The PostgreSQL of the environment variable `PG_CONFIG`, else of the `pg_config` on the
    /// path.
    pub fn find() -> Result<Self> {
        let pg_config = std::env::var_os("PG_CONFIG").unwrap_or_else(|| "pg_config".into());
        let ask = |what: &str| -> Result<PathBuf> {
            let answer =
                process::output(Command::new(&pg_config).arg(what)).with_context(|| {
                    format!(
                        "cannot find PostgreSQL by {}.\nInstall Debian's postgresql-15 and \
                     postgresql-server-dev-15, or set PG_CONFIG to the path of a pg_config.",
                        pg_config.display()
                    )
                })?;
            Ok(answer.into())
        };
        Ok(Self { bindir: ask("--bindir")?, pkglibdir: ask("--pkglibdir")? })
    }

    /// The path of a program, such as `psql`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }

    /// The path of a loadable library, such as `pg_exchange`.
    pub fn library(&self, name: &str) -> PathBuf {
        self.pkglibdir.join(name).with_extension("so")
    }
}
