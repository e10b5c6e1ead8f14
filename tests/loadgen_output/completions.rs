//! Completion by a shell.

use super::folder::{Folder, text};

/// What the program takes, by its own help.
fn options(folder: &Folder) -> Vec<String> {
    let help = text(&folder.succeed("--help").stdout);
    let lines =
        help.lines().map(str::trim_start).filter(|line| line.starts_with("--") || line.starts_with("-h"));
    let names = lines.flat_map(|line| line.split([' ', ',']).filter(|word| word.starts_with("--")));
    names.map(str::to_owned).collect()
}

#[test]
fn each_shell_is_told_every_option() {
    let folder = Folder::new();
    let options = options(&folder);
    assert!(options.len() > 20, "{options:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&folder.succeed(&format!("--completions {shell}")).stdout);
        for option in &options {
            // fish has them without dashes.
            let told = if shell == "fish" { format!("-l {}", &option[2..]) } else { option.clone() };
            assert!(script.contains(&told), "{shell}: {option}");
        }
    }
    assert!(folder.refuse(2, "--completions tcsh").contains("bash, zsh, fish"));
}

/// The other two shells are not on every machine; bash runs its script here as it would on a key.
#[test]
fn bash_completes_names_and_values() {
    let folder = Folder::new();
    folder.write("script", folder.succeed("--completions bash").stdout);
    let complete = |words: &str, count: usize| {
        let script = format!(
            "source ./script; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _loadgen loadgen \"${{COMP_WORDS[{count}]}}\" \"${{COMP_WORDS[{count}-1]}}\"; echo ${{COMPREPLY[@]}}"
        );
        let output = folder.command("bash").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete("loadgen --comple", 1), "--completions");
    assert_eq!(complete("loadgen --mode wa", 2), "wake-fd");
    assert_eq!(complete("loadgen --output-format j", 2), "json");
}
