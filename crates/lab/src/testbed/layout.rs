//! What lies where in a cluster's directory:
//!
//! | | |
//! | --- | --- |
//! | `certs/` | the authority, the servers' certificates, the operator's |
//! | `s1.toml` | configuration of server s1 |
//! | `s1.log` | what it said, JSON lines |
//! | `s1/` | its data |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{OrCannot as _, TestbedError, place::Place, ports::Ports};
use quorid_server::{
    certs::{AUTHORITY_DAYS, CertificateFiles, LeafOptions, make_ca, make_operator, make_server},
    named_server::NamedServer,
};

const OPERATOR: &str = "operator";
const HOST: &str = "127.0.0.1";

/// The directory with everything.
pub(super) struct Layout {
    /// Removed when it is dropped.
    temporary: Option<TempDir>,
    path: PathBuf,
    pub(super) places: Vec<Place>,
    /// Whether there was a cluster before, with addresses and data.
    pub(super) existed: bool,
    settings: toml::Table,
}

impl Layout {
    /// Makes certificates and directories, or finds them in a directory that was used before.
    pub(super) fn open(
        directory: Option<PathBuf>,
        servers: usize,
        settings: toml::Table,
    ) -> Result<Self, TestbedError> {
        let (temporary, path) = match directory {
            Some(path) => {
                let made = fs::create_dir_all(&path).and_then(|()| fs::canonicalize(&path));
                (None, made.or_cannot("make", path)?)
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("quorid-").tempdir();
                let parent = std::env::temp_dir();
                let made = temporary.or_cannot("make a directory in", parent);
                let made = made?;
                let path = made.path().to_owned();
                (Some(made), path)
            }
        };
        let mut layout = Self {
            places: (1..=servers).map(|n| place(&path, n)).collect(),
            existed: path.join("s1.toml").exists(),
            temporary,
            path,
            settings,
        };
        if layout.existed {
            layout.find_addresses()?;
            layout.write_configs()?;
        } else {
            layout.refuse_foreign_files()?;
            layout.make_certificates()?;
        }
        Ok(layout)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory stays.
    pub(super) fn keep(&mut self) {
        if let Some(temporary) = &mut self.temporary {
            temporary.disable_cleanup(true);
        }
    }

    pub(super) fn authority(&self) -> PathBuf {
        CertificateFiles::authority(&self.certs()).certificate
    }

    pub(super) fn operator(&self) -> CertificateFiles {
        CertificateFiles::named(&self.certs(), OPERATOR)
    }

    /// Gives every server its addresses, and nothing else that it may have had.
    pub(super) fn give_addresses(&mut self, ports: &Ports) -> Result<(), TestbedError> {
        let numbers = ports.numbers().or_cannot("use a port for", &self.path)?;
        for (place, pair) in self.places.iter_mut().zip(numbers.chunks(2)) {
            place.server.client_address = format!("{HOST}:{}", pair[0]);
            place.server.peer_address = format!("{HOST}:{}", pair[1]);
            wipe(&self.path.join(&place.server.name))?;
            if place.log.exists() {
                fs::remove_file(&place.log).or_cannot("remove", &place.log)?;
            }
        }
        self.write_configs()
    }

    /// A server's configuration file.
    pub(super) fn config(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.toml"))
    }

    /// A server's data.
    pub(super) fn data_dir(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn certs(&self) -> PathBuf {
        self.path.join("certs")
    }

    fn refuse_foreign_files(&self) -> Result<(), TestbedError> {
        let mut entries = fs::read_dir(&self.path).or_cannot("read", &self.path)?;
        if entries.next().is_none() {
            return Ok(());
        }
        Err(TestbedError::Directory {
            path: self.path.clone(),
            reason: "it is not empty, and no cluster was started in it before".to_owned(),
        })
    }

    fn make_certificates(&self) -> Result<(), TestbedError> {
        let certs = self.certs();
        make_ca(&certs, AUTHORITY_DAYS)?;
        let options = LeafOptions::in_dir(&certs);
        let hosts = [HOST.to_owned(), "localhost".to_owned()];
        for place in &self.places {
            make_server(&place.server.name, &hosts, &options)?;
        }
        make_operator(OPERATOR, &options)?;
        Ok(())
    }

    /// Where a cluster was before: its members know each other by the addresses they had.
    fn find_addresses(&mut self) -> Result<(), TestbedError> {
        let config = self.path.join("s1.toml");
        let text = fs::read_to_string(&config).or_cannot("read", &config)?;
        let unusable = |reason: String| TestbedError::Directory {
            path: self.path.clone(),
            reason,
        };
        let servers = initial_servers(&text)
            .ok_or_else(|| unusable(format!("{} is not as it was written", config.display())))?;
        if servers.len() != self.places.len() {
            return Err(unusable(format!(
                "its cluster has {} servers, not {}",
                servers.len(),
                self.places.len()
            )));
        }
        for (place, server) in self.places.iter_mut().zip(servers) {
            place.server = server;
        }
        Ok(())
    }

    fn write_configs(&self) -> Result<(), TestbedError> {
        for place in &self.places {
            let text = self.settings_of(place).to_string();
            let config = self.config(&place.server.name);
            fs::write(&config, text).or_cannot("write", &config)?;
        }
        Ok(())
    }

    fn settings_of(&self, place: &Place) -> toml::Table {
        let initial_servers: Vec<String> = self
            .places
            .iter()
            .map(|each| each.server.to_string())
            .collect();
        let files = CertificateFiles::named(&self.certs(), &place.server.name);
        let text = |path: &Path| toml::Value::from(path.to_string_lossy().as_ref());
        let tls = toml::Table::from_iter([
            ("ca".to_owned(), text(&self.authority())),
            ("cert".to_owned(), text(&files.certificate)),
            ("key".to_owned(), text(&files.key)),
        ]);
        let mut config = self.settings.clone();
        config.extend([
            ("name".to_owned(), place.server.name.clone().into()),
            (
                "data_dir".to_owned(),
                text(&self.data_dir(&place.server.name)),
            ),
            (
                "client_listen".to_owned(),
                place.server.client_address.clone().into(),
            ),
            (
                "peer_listen".to_owned(),
                place.server.peer_address.clone().into(),
            ),
            ("initial_servers".to_owned(), initial_servers.into()),
            ("form_alone".to_owned(), (self.places.len() == 1).into()),
            ("log_format".to_owned(), "json".into()),
            ("tls".to_owned(), tls.into()),
        ]);
        config
    }
}

/// Removes a server's data. The directory itself stays: it may be a file system of its own.
pub(super) fn wipe(data_dir: &Path) -> Result<(), TestbedError> {
    if !data_dir.exists() {
        return Ok(());
    }
    let remove = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        }
    };
    fs::read_dir(data_dir)
        .and_then(|mut entries| entries.try_for_each(remove))
        .or_cannot("remove what is in", data_dir)
}

fn place(directory: &Path, number: usize) -> Place {
    let name = format!("s{number}");
    Place {
        reach: None,
        log: directory.join(format!("{name}.log")),
        server: NamedServer {
            name,
            ..NamedServer::default()
        },
    }
}

fn initial_servers(config: &str) -> Option<Vec<NamedServer>> {
    let config: toml::Table = toml::from_str(config).ok()?;
    let list = config.get("initial_servers")?.as_array()?;
    list.iter()
        .map(|text| text.as_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorid_server::config::{Config, ServeArgs};

    fn open(directory: &Path, servers: usize) -> Result<Layout, TestbedError> {
        let settings = toml::Table::from_iter([("access".to_owned(), "open".into())]);
        Layout::open(Some(directory.to_owned()), servers, settings)
    }

    #[test]
    fn every_server_gets_a_valid_configuration() {
        let dir = tempfile::tempdir().expect("directory");
        let mut layout = open(dir.path(), 3).expect("made");
        let ports = Ports::reserve(6).expect("ports");
        layout.give_addresses(&ports).expect("written");
        for place in &layout.places {
            let args = ServeArgs {
                config: Some(layout.config(&place.server.name)),
                ..ServeArgs::default()
            };
            let config = Config::load(&args).expect("valid");
            assert_eq!(config.own.name, place.server.name);
            assert_eq!(config.own.client_address, place.server.client_address);
            assert_eq!(config.initial_servers.len(), 3);
            assert!(!config.form_alone);
            assert_eq!(config.warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn only_the_server_of_a_cluster_of_one_may_form_it_alone() {
        let dir = tempfile::tempdir().expect("directory");
        let mut layout = open(dir.path(), 1).expect("made");
        let ports = Ports::reserve(2).expect("ports");
        layout.give_addresses(&ports).expect("written");
        let args = ServeArgs {
            config: Some(layout.config("s1")),
            ..ServeArgs::default()
        };
        assert!(Config::load(&args).expect("valid").form_alone);
    }

    #[test]
    fn a_directory_that_was_used_before_keeps_its_addresses() {
        let dir = tempfile::tempdir().expect("directory");
        let mut before = open(dir.path(), 3).expect("made");
        before
            .give_addresses(&Ports::reserve(6).expect("ports"))
            .expect("written");
        let after = open(dir.path(), 3).expect("found");
        assert!(after.existed);
        assert_eq!(after.places[2].server, before.places[2].server);
        let error = open(dir.path(), 5).err().expect("refused").to_string();
        assert!(error.contains("has 3 servers, not 5"), "{error}");
    }

    #[test]
    fn a_directory_with_other_files_is_left_alone() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("thesis.txt"), "years of work").expect("written");
        let error = open(dir.path(), 3).err().expect("refused").to_string();
        assert!(error.contains("is not empty"), "{error}");
    }
}
