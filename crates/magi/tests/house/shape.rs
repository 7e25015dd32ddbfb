//! The shape of the code: short functions, files one can read, no task or queue without an owner.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The longest function, in lines.
const LONGEST: usize = 120;

/// Functions longer than this are few.
const LONG: usize = 60;

/// The most functions over [`LONG`], in percent of all.
const LONG_PERCENT: usize = 2;

/// The longest file, in lines, its inline tests left out.
const LONGEST_FILE: usize = 800;

struct Functions<'a> {
    file: &'a Path,
    found: Vec<(String, usize)>,
}

impl Functions<'_> {
    fn add(&mut self, name: &syn::Ident, item: &impl Spanned) {
        let span = item.span();
        let lines = span.end().line - span.start().line + 1;
        self.found
            .push((format!("{}: {name}", self.file.display()), lines));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig.ident, item);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, item);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|name| name == "test")
    })
}

/// Every file of shipping code, in a stable order.
fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for room in fs::read_dir(crates).unwrap() {
        collect(&room.unwrap().path().join("src"), &mut files);
    }
    files.sort();
    assert!(
        files.len() > 20,
        "the walk found only {} files",
        files.len()
    );
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            files.push(path);
        }
    }
}

fn shipping_lines(file: &syn::File, text: &str) -> usize {
    let tests: usize = file
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(module) if is_test(&module.attrs) => {
                Some(module.span().end().line - module.span().start().line + 1)
            }
            _ => None,
        })
        .sum();
    text.lines().count() - tests
}

#[test]
fn functions_and_files_are_short() {
    let mut functions = Vec::new();
    let mut too_long = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let file = syn::parse_file(&text).unwrap();
        let lines = shipping_lines(&file, &text);
        if lines > LONGEST_FILE {
            too_long.push(format!("{}: {lines} lines", path.display()));
        }
        let mut visitor = Functions {
            file: &path,
            found: Vec::new(),
        };
        visitor.visit_file(&file);
        functions.append(&mut visitor.found);
    }
    let over = |limit: usize| functions.iter().filter(move |(_, lines)| *lines > limit);
    too_long.extend(over(LONGEST).map(|(name, lines)| format!("{name}: {lines} lines")));
    assert!(too_long.is_empty(), "too long:\n{}", too_long.join("\n"));
    let long: Vec<_> = over(LONG)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(
        long.len() * 100 <= functions.len() * LONG_PERCENT,
        "{} of {} functions are over {LONG} lines:\n{}",
        long.len(),
        functions.len(),
        long.join("\n")
    );
}

#[test]
fn nothing_is_left_open() {
    let forbidden = [
        ("tokio::spawn(", "a task nobody tracks"),
        ("unbounded_channel", "a queue without a bound"),
        ("todo!(", "a promise"),
        ("unimplemented!(", "a promise"),
        ("TODO", "a promise"),
        ("FIXME", "a promise"),
        ("#[ignore", "a test that does not run"),
    ];
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (pattern, why) in forbidden {
                assert!(
                    !line.contains(pattern),
                    "{}:{}: `{pattern}` is {why}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}
