//! The port for the other servers: everything that `node` answers them, for holders of a
//! server's certificate only.

use axum::{
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use tonic::{Status, service::Routes};

use crate::{
    node::{Gate, PeerName},
    ports::Remote,
    tls::Holder,
};

/// What other servers are answered by.
pub(crate) fn router(gate: &Gate) -> axum::Router {
    Routes::default()
        .add_service(gate.service())
        .into_axum_router()
        .layer(middleware::from_fn(name_peer))
}

/// Tells `node` which server is asking, by its certificate.
async fn name_peer(mut request: Request, next: Next) -> Response {
    let holder = request
        .extensions()
        .get::<Remote>()
        .map(|remote| remote.holder.clone());
    match holder {
        Some(Holder::Server(name)) => {
            request.extensions_mut().insert(PeerName(name));
            next.run(request).await
        }
        // TLS has refused them; should it ever not, nothing is answered here either.
        Some(Holder::Operator(_) | Holder::Other) | None => {
            Status::permission_denied("this port is for servers only").into_http()
        }
    }
}
