//! `cairn-node doctor`: what is wrong with a node, in sentences.

use super::{CliError, Hints, RunArgs, db, print};
use crate::config::Environment;
use crate::doctor::{self, Depth, Diagnosis, Finding, Severity};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Do not read the whole database, only its tip
    #[arg(long)]
    quick: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: DoctorArgs) -> Result<(), CliError> {
    let depth = if args.quick { Depth::Quick } else { Depth::Whole };
    let hints = args.run.node.hints();
    let report = db::wait(doctor::examine(&args.run.flags(), &Environment::of_this_process(), depth))?;
    if args.json {
        print(format_args!("{}", as_json(&report, &hints)))?;
    } else {
        print(format_args!("{}", hints.complete_to_show(&as_text(&report))))?;
    }
    match report.faults() {
        0 => Ok(()),
        faults => {
            let (storage, config) = (report.storage_failed, report.is_refused_configuration());
            Err(CliError::Unwell { faults, storage, config })
        }
    }
}

fn as_json(report: &Diagnosis, hints: &Hints) -> serde_json::Value {
    let show = |finding: &Finding| {
        json!({
            "check": finding.check,
            "level": finding.severity.name(),
            "says": hints.complete(&finding.message),
            "advice": finding.advice.as_ref().map(|advice| hints.complete(advice)),
        })
    };
    let findings: Vec<_> = report.findings.iter().map(show).collect();
    json!({ "healthy": report.faults() == 0, "faults": report.faults(), "findings": findings })
}

fn as_text(report: &Diagnosis) -> String {
    let mut text = String::new();
    for Finding { check, severity, message, advice } in &report.findings {
        let severity = if *severity == Severity::Fault { "FAULT" } else { severity.name() };
        text += &format!("{severity:<6}{:<11} {message}\n", check);
        if let Some(advice) = advice {
            text += &format!("{:<18}→ {advice}\n", "");
        }
    }
    let end = if report.faults() == 0 { "The node is well." } else { "The node needs help." };
    text + end
}
