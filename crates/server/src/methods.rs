//! The gRPC services and methods of the client port, by the names in the compiled descriptors.

use std::{collections::BTreeSet, sync::LazyLock};

use prost::Message as _;
use prost_types::{FileDescriptorSet, ServiceDescriptorProto};

/// Descriptors of what is served, except for server reflection, which describes itself.
pub(crate) const DESCRIPTORS: [&[u8]; 2] = [
    quorid_api::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
];

/// Services of the API: `quorid.v1.Accounts`.
pub(crate) static API_SERVICES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let described = services(quorid_api::FILE_DESCRIPTOR_SET);
    described.map(|(name, _)| name).collect()
});

/// All methods: `quorid.v1.Accounts/GetAccount`.
pub(crate) static METHODS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let described = DESCRIPTORS.into_iter().flat_map(services);
    let named = |(service, description): (String, ServiceDescriptorProto)| {
        let methods = description.method.into_iter();
        methods.map(move |method| format!("{service}/{}", method.name()))
    };
    described.flat_map(named).collect()
});

fn services(descriptors: &[u8]) -> impl Iterator<Item = (String, ServiceDescriptorProto)> {
    let set =
        FileDescriptorSet::decode(descriptors).expect("the descriptors are part of the build");
    set.file.into_iter().flat_map(|file| {
        let package = file.package().to_owned();
        let services = file.service.into_iter();
        services.map(move |service| (format!("{package}.{}", service.name()), service))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_methods_have_the_names_that_callers_use() {
        assert_eq!(
            *API_SERVICES,
            [
                "quorid.v1.Accounts",
                "quorid.v1.Changes",
                "quorid.v1.Cluster",
                "quorid.v1.Groups",
                "quorid.v1.Deleted",
                "quorid.v1.Requests",
                "quorid.v1.Schema"
            ]
        );
        for name in [
            "quorid.v1.Accounts/GetAccount",
            "quorid.v1.Cluster/WatchCluster",
            "grpc.health.v1.Health/Check",
        ] {
            assert!(METHODS.contains(name), "{name} in {:?}", *METHODS);
        }
    }
}
