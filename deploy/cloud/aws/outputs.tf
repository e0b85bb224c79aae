# UNTESTED on a real account; see versions.tf and README.md.

output "servers" {
  description = "Each server: instance, volume, zone, addresses."
  value = {
    for name in var.server_names : name => {
      instance_id     = aws_instance.server[name].id
      volume_id       = aws_ebs_volume.data[name].id
      zone            = local.places[name].zone
      private_address = local.places[name].address
      public_address  = var.public_addresses ? aws_instance.server[name].public_ip : null
    }
  }
}

output "initial_servers" {
  description = "The list that all servers were given."
  value       = local.initial_servers
}

output "client_servers" {
  description = "For `servers` in a client's configuration, or for QUORID_SERVERS."
  value = join(",", [
    for name in var.server_names : "${local.places[name].address}:${local.client_port}"
  ])
}

output "inventory" {
  description = "A line `name destination address` for each server, for scripts that go over all of them."
  value = join("", [
    for name in var.server_names : format(
      "%s %s@%s %s\n",
      name,
      var.login_user,
      var.public_addresses ? aws_instance.server[name].public_ip : local.places[name].address,
      local.places[name].address,
    )
  ])
}

output "connect_endpoint_id" {
  description = "For ssh without public addresses: `aws ec2-instance-connect open-tunnel`."
  value       = var.connect_endpoint ? aws_ec2_instance_connect_endpoint.this[0].id : null
}
