# UNTESTED on a real account; see versions.tf and README.md.

locals {
  client_port = 7400
  peer_port   = 7401

  tags = merge({ Application = "quorid", Cluster = var.cluster }, var.tags)

  own_vpc = var.vpc_id == null

  # Server by name: which of the three it is.
  servers = { for index, name in var.server_names : name => index }

  # Three blocks of the VPC that is made, and a fourth for the NAT gateway.
  subnet_cidrs = [for index in range(4) : cidrsubnet(var.vpc_cidr, 4, index)]

  # Where each server is. Known before anything is made, or from subnets that exist.
  places = {
    for name, index in local.servers : name => {
      subnet_id = local.own_vpc ? aws_subnet.server[name].id : var.subnet_ids[index]
      zone      = local.own_vpc ? local.zones[index] : data.aws_subnet.given[name].availability_zone
      address = cidrhost(
        local.own_vpc ? local.subnet_cidrs[index] : data.aws_subnet.given[name].cidr_block,
        var.host_number,
      )
    }
  }

  # The same list, in the same order, for all servers.
  initial_servers = [
    for name in var.server_names : format(
      "%s=%s:%d,%s:%d",
      name,
      local.places[name].address, local.peer_port,
      local.places[name].address, local.client_port,
    )
  ]
}
