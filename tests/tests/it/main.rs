//! The end-to-end tests, in one binary: linked once, against hubs in this process and in processes of their own.
//!
//! What listens to a whole process (`statements` and `plans` at the driver, `privacy` to the log) has a binary of its own.

mod afternoon;
mod attributes;
mod bad_input;
mod connections;
mod crash;
mod crook;
mod crowd;
mod delivery;
mod determinism;
mod door;
mod elsewhere;
mod endpoints;
mod erase_crash;
mod exact;
mod first_contact;
mod full_disk;
mod generator;
mod hostile;
mod identities;
mod jobs;
mod libraries;
mod lists;
mod long_history;
mod lost_answers;
mod nodes;
mod one_hub;
mod openapi;
mod receivers;
mod refused_start;
mod relations;
mod replay;
mod restart;
mod segments;
mod skipped;
mod sources;
mod stands_still;
mod steps;
mod stopping;
mod totals;
mod transfer;
mod trials;
mod upgrade;
mod verdicts;
mod wide_customers;
