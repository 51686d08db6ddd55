//! Sessions, against servers and a user in this process and in virtual time: no sockets, no waiting.

mod ahead;
mod ambient;
mod authentication;
mod blocking;
mod bounded;
mod callbacks;
mod cancelled;
#[cfg(feature = "jwt")]
mod client_keys;
mod clients;
mod clocks;
mod damaged;
#[cfg(feature = "jwt")]
mod dpop;
#[cfg(feature = "jwt")]
mod dpop_nonces;
mod egress;
#[cfg(feature = "jwt")]
mod enterprise;
#[cfg(feature = "jwt")]
mod enterprise_siblings;
#[cfg(feature = "jwt")]
mod enterprise_step_up;
#[cfg(feature = "jwt")]
mod enterprise_trouble;
mod exchange;
mod explained;
mod freshness;
mod gone;
mod hostile;
#[cfg(feature = "jwt")]
mod idp_session;
mod issuers;
mod lasting;
mod late;
mod machine;
mod moved;
mod one_page;
mod overtaken;
mod parallel;
mod places;
mod policy;
mod pushed;
mod redirects;
mod registration;
mod requests;
mod restart;
mod secrets;
mod siblings;
mod sign_out;
mod skew;
mod state;
mod step_up;
mod stopped;
mod storage;
mod support;
mod threads;
mod transports;
mod trouble;
mod watched;
#[cfg(feature = "jwt")]
mod workload;
