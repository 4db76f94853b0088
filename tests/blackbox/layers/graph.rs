//! Which file of a crate uses which, by its paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Meta, UseTree, Visibility};

/// A module that is a file, by its path in the crate; the empty one is `lib.rs`.
pub(crate) type Module = Vec<String>;

/// For each file of a crate those that it uses. Tests do not count, and neither does `main.rs`, which is a crate of its own.
pub(crate) struct Graph {
    pub(crate) uses: BTreeMap<Module, BTreeSet<Module>>,
}

/// A file, and the paths that stand in it.
#[derive(Default)]
struct Paths {
    /// What follows `use`: known by its last name here, and in modules of this one.
    imported: Vec<Vec<String>>,
    /// Paths in types and expressions.
    named: Vec<Vec<String>>,
}

impl Graph {
    /// Reads the sources below `dir`.
    pub(crate) fn read(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        find(dir, &Module::new(), &mut files);
        let paths: BTreeMap<_, _> = files.iter().map(|(module, file)| (module.clone(), Paths::read(file))).collect();
        let modules: BTreeSet<Module> = paths.keys().cloned().collect();
        let origins = origins(&paths, &modules);
        let uses = paths.iter().map(|(module, paths)| (module.clone(), used(module, paths, &modules, &origins)));
        Self { uses: uses.collect() }
    }

    /// Sets of files of which each uses, over others perhaps, all of the set.
    pub(super) fn circles(&self) -> Vec<BTreeSet<Module>> {
        let reached: BTreeMap<_, _> = self.uses.keys().map(|module| (module, self.reach(module))).collect();
        let circle = |module| {
            let back = |other: &&Module| reached.get(*other).is_some_and(|from_there| from_there.contains(module));
            reached[module].iter().filter(back).cloned().collect::<BTreeSet<_>>()
        };
        let circles: BTreeSet<_> = self.uses.keys().map(circle).filter(|circle| circle.len() > 1).collect();
        circles.into_iter().collect()
    }

    /// All that a file uses, directly or not.
    fn reach(&self, from: &Module) -> BTreeSet<Module> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = self.uses[from].iter().collect();
        while let Some(module) = next.pop() {
            if reached.insert(module.clone()) {
                next.extend(&self.uses[module]);
            }
        }
        reached
    }
}

/// The module that a file is, by its path in the crate.
pub(crate) fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

fn find(dir: &Path, module: &Module, files: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let child = || [module.clone(), vec![name.clone()]].concat();
        if path.is_dir() {
            find(&path, &child(), files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            match name.as_str() {
                "main" | "tests" => None,
                "lib" | "mod" => files.insert(module.clone(), path),
                _ => files.insert(child(), path),
            };
        }
    }
}

impl Paths {
    fn read(file: &Path) -> Self {
        let syntax = syn::parse_file(&fs::read_to_string(file).unwrap());
        let mut paths = Self::default();
        paths.visit_file(&syntax.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        paths
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        assert!(item.content.is_none(), "module {} is not a file", item.ident);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        flatten(&item.tree, &mut Vec::new(), &mut self.imported);
    }

    /// Who may use it is no use.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let tokens = called.tokens.to_string().replace(" :: ", "::");
        let paths = tokens.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        self.named.extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
        visit::visit_macro(self, called);
    }
}

/// Compiled for tests, or for the documentation, alone.
fn is_for_tests(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            list.path.is_ident("cfg") && ["test", "doc", "doctest"].contains(&list.tokens.to_string().as_str())
        }
        Meta::NameValue(_) => false,
    }
}

fn flatten(tree: &UseTree, front: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            front.push(path.ident.to_string());
            flatten(&path.tree, front, paths);
            front.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, front, paths)),
        UseTree::Name(name) => paths.push([front.as_slice(), &[name.ident.to_string()]].concat()),
        UseTree::Rename(name) => paths.push([front.as_slice(), &[name.ident.to_string()]].concat()),
        UseTree::Glob(_) => paths.push(front.clone()),
    }
}

/// Where names are from that a module has imported, by module and name.
fn origins(paths: &BTreeMap<Module, Paths>, modules: &BTreeSet<Module>) -> BTreeMap<(Module, String), Module> {
    let of_module = |(module, paths): (&Module, &Paths)| {
        let origin = |path: &Vec<String>| {
            let (from, rest) = locate(module, path, modules)?;
            (from != *module && rest.len() == 1).then(|| ((module.clone(), rest[0].clone()), from))
        };
        paths.imported.iter().filter_map(origin).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_module).collect()
}

fn used(
    module: &Module,
    paths: &Paths,
    modules: &BTreeSet<Module>,
    origins: &BTreeMap<(Module, String), Module>,
) -> BTreeSet<Module> {
    // A name alone is a variable, or was imported.
    let named = paths.named.iter().filter(|path| path.len() > 1);
    let all = paths.imported.iter().chain(named);
    let located = all.filter_map(|path| locate(module, path, modules));
    let followed = located.map(|(mut from, rest)| {
        while let Some(origin) = rest.first().and_then(|name| origins.get(&(from.clone(), name.clone()))) {
            from.clone_from(origin);
        }
        from
    });
    followed.filter(|from| from != module).collect()
}

/// The file that a path leads to, and what follows in the path.
fn locate(module: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<(Module, Vec<String>)> {
    let mut at = match path.first()?.as_str() {
        "crate" => Module::new(),
        "self" => module.clone(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child if modules.contains(&[module.as_slice(), &[child.to_owned()]].concat()) => {
            [module.as_slice(), &[child.to_owned()]].concat()
        }
        _ => return None,
    };
    let mut rest = &path[1..];
    while let [first, others @ ..] = rest {
        let next = match first.as_str() {
            "super" => at[..at.len().checked_sub(1)?].to_vec(),
            name => [at.as_slice(), &[name.to_owned()]].concat(),
        };
        if !modules.contains(&next) {
            break;
        }
        (at, rest) = (next, others);
    }
    Some((at, rest.to_vec()))
}
