//! `grpc.health.v1.Health`: serving while a leader is known and the server isn't on its way out.

use std::sync::Arc;

use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::HealthReporter,
};

use crate::{frontend::Frontend, methods::API_SERVICES, ports::Phase};

/// The name under which the whole server can be asked for.
const WHOLE_SERVER: &str = "";

/// The health service. A task of its own keeps it up to date for as long as the node runs.
pub(super) fn service(frontend: &Arc<Frontend>) -> HealthServer<impl Health> {
    let (reporter, service) = tonic_health::server::health_reporter();
    tokio::spawn(follow(Arc::clone(frontend), reporter));
    service
}

async fn follow(frontend: Arc<Frontend>, reporter: HealthReporter) {
    let mut cluster = frontend.service.cluster();
    let mut phase = frontend.phase.clone();
    loop {
        let knows_leader = cluster.borrow_and_update().leading().is_some();
        let serves = *phase.borrow_and_update() == Phase::Serving;
        let status = if knows_leader && serves {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        let services = API_SERVICES.iter().map(String::as_str);
        for name in services.chain([WHOLE_SERVER]) {
            reporter.set_service_status(name, status).await;
        }
        let ended = tokio::select! {
            changed = cluster.changed() => changed.is_err(),
            changed = phase.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
    }
}
