use clap::CommandFactory as _;

use super::*;

#[test]
fn command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples() {
    fn check(command: &clap::Command) {
        if command.has_subcommands() {
            command.get_subcommands().for_each(check);
        } else {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(
                    |help| help.starts_with("Examples:\n  quorid ") || help.contains("\n  quorid ")
                ),
                "{} has no examples",
                command.get_name()
            );
        }
    }
    Cli::command().get_subcommands().for_each(check);
}

#[test]
fn help_lists_the_exit_codes() {
    let help = Cli::command().render_help().to_string();
    for code in 0..=7 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn client_options_may_stand_before_and_after_the_command() {
    let parse = |line: &str| {
        Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
    };
    for line in [
        "quorid --servers one:1,two:2 --output json -v cluster status",
        "quorid cluster status --servers one:1,two:2 --output json -v",
        "quorid --servers other:1 cluster status --servers one:1 --servers two:2 --output=json -v",
    ] {
        let cli = parse(line);
        let Command::Cluster(command) = cli.command else {
            panic!("{line}");
        };
        let (_, options) = command.split();
        let options = options.over(cli.options);
        assert_eq!(options.servers, ["one:1", "two:2"], "{line}");
        assert_eq!(options.display.output, Some(Format::Json), "{line}");
        assert_eq!(options.display.verbose, 1, "{line}");
    }
}

#[test]
fn mission_s_commands_are_understood() {
    for line in [
        "create ana",
        "create ana Ana --password",
        "create ana Ana --password=secret",
        "lookup ana --consistency stale",
        "lookup ana --min-revision 7",
        "reverse-lookup 0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77",
        "modify ana bo --password",
        "modify ana --real-name Ana",
        "modify ana bo --password-stdin --new-password-file pw --etag 7",
        "delete ana --password",
        "get users",
        "get uuids",
        "get all",
        "import - --format csv",
        "export --out x.csv",
        "cluster leader --watch",
        "cluster status --digest",
        "cluster raise-level",
        "cluster raise-level 2",
        "cert ca --out certs",
        "cert server s1 --host a --host 127.0.0.1",
        "bench mixed --clients 64 --seconds 10",
        "bench lookup --clients 256 --connections 4 --output json",
        "bench member --rounds 3 --count 100 --names 1000",
        "bench groups",
        "bench mail --names 1000000",
        "completions zsh",
        "demo --servers 5 --dir demo --access open",
        "demo --tour --samples samples/accounts.csv",
    ] {
        let words = ["quorid"].into_iter().chain(line.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    for line in [
        "create",
        "create ana Ana Lima",
        "reverse-lookup ana",
        "get everything",
        "modify",
        "lookup ana --consistency fresh",
        "import x.csv --in-flight 0",
        "cert server s1",
        "bench --clients 0",
        "bench --connections 0",
        "bench mail --rounds 0",
        "completions elvish",
        "demo --servers 0",
        "demo --tour --servers 5",
        "demo --samples samples/accounts.csv",
        "cluster add s4",
        "cluster raise-level 0",
        "cluster add s4 --client-address nonsense --peer-address a:1",
    ] {
        let words = ["quorid"].into_iter().chain(line.split_whitespace());
        assert!(Cli::try_parse_from(words).is_err(), "{line}");
    }
}
