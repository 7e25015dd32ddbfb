//! The command line of what is kept: presets, copies of the store.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `magi presets`.
#[derive(Args, Debug)]
pub(crate) struct Presets {
    #[command(subcommand)]
    pub(crate) command: Option<PresetsCommand>,
    /// On a server instead of in the data folder (token from MAGI_TOKEN)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// Parts of `magi presets`.
#[derive(Debug, Subcommand)]
pub(crate) enum PresetsCommand {
    /// List all presets and what each is bad at (the default)
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one preset
    Show {
        /// Its name
        name: String,
        /// An earlier version, also of a deleted preset
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Keep the preset of a file: a new one, or the next version
    Import {
        /// The file, as `magi presets export` writes it; - is stdin
        file: String,
        /// Its name (default: the one in the file)
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Print a preset as one JSON file
    Export {
        /// Its name
        name: String,
        /// An earlier version, also of a deleted preset
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    /// Copy a preset, a built-in one too, under a new name
    Copy {
        /// The name of what is copied
        from: String,
        /// The name of the copy
        to: String,
    },
    /// Remove a preset; deliberations that used it keep their own copy of the council
    Rm {
        /// Its name
        name: String,
    },
    /// Change a preset in your editor (VISUAL or EDITOR), which makes its next version
    Edit {
        /// Its name
        name: String,
    },
}

/// Flags of `magi backup`.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The file to be made, or a folder in which it is named by date and time
    pub(crate) to: PathBuf,
}

/// Flags of `magi restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The copy; its checksum, FILE.sha256, must be beside it
    pub(crate) file: PathBuf,
    /// Move what is in the data folder into a folder beside; nothing is deleted
    #[arg(long)]
    pub(crate) force: bool,
}
