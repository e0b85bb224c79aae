# UNTESTED on a real account; see versions.tf and README.md.

data "aws_availability_zones" "here" {
  count = local.own_vpc ? 1 : 0
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"] # No local zones.
  }
}

locals {
  zones = local.own_vpc ? slice(data.aws_availability_zones.here[0].names, 0, 3) : []
}

data "aws_subnet" "given" {
  for_each = local.own_vpc ? {} : local.servers
  id       = var.subnet_ids[each.value]
  vpc_id   = var.vpc_id
}

# A VPC, unless one was given.

resource "aws_vpc" "this" {
  count                = local.own_vpc ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.cluster }
}

resource "aws_subnet" "server" {
  for_each          = local.own_vpc ? local.servers : {}
  vpc_id            = aws_vpc.this[0].id
  cidr_block        = local.subnet_cidrs[each.value]
  availability_zone = local.zones[each.value]
  tags              = { Name = "${var.cluster}-${each.key}" }

  lifecycle {
    ignore_changes = [availability_zone] # The region's list may grow; the volume stays where it is.
  }
}

resource "aws_internet_gateway" "this" {
  count  = local.own_vpc && (var.public_addresses || var.nat_gateway) ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.cluster }
}

resource "aws_route_table" "server" {
  count  = local.own_vpc ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.cluster}-servers" }
}

resource "aws_route_table_association" "server" {
  for_each       = aws_subnet.server
  subnet_id      = each.value.id
  route_table_id = aws_route_table.server[0].id
}

resource "aws_route" "out" {
  count                  = local.own_vpc && (var.public_addresses || var.nat_gateway) ? 1 : 0
  route_table_id         = aws_route_table.server[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = var.public_addresses ? aws_internet_gateway.this[0].id : null
  nat_gateway_id         = var.public_addresses ? null : aws_nat_gateway.this[0].id
}

# Free of charge; lets instances without a way out fetch the program from S3 in this region.
resource "aws_vpc_endpoint" "s3" {
  count             = local.own_vpc ? 1 : 0
  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.server[0].id]
  tags              = { Name = "${var.cluster}-s3" }
}

# One NAT gateway, in the first zone: downloads and updates only. The servers don't need it to
# talk to each other or to clients.

locals {
  with_nat = local.own_vpc && var.nat_gateway && !var.public_addresses
}

resource "aws_subnet" "nat" {
  count             = local.with_nat ? 1 : 0
  vpc_id            = aws_vpc.this[0].id
  cidr_block        = local.subnet_cidrs[3]
  availability_zone = local.zones[0]
  tags              = { Name = "${var.cluster}-nat" }
}

resource "aws_route_table" "nat" {
  count  = local.with_nat ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${var.cluster}-nat" }
}

resource "aws_route" "nat_out" {
  count                  = local.with_nat ? 1 : 0
  route_table_id         = aws_route_table.nat[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "nat" {
  count          = local.with_nat ? 1 : 0
  subnet_id      = aws_subnet.nat[0].id
  route_table_id = aws_route_table.nat[0].id
}

resource "aws_eip" "nat" {
  count  = local.with_nat ? 1 : 0
  domain = "vpc"
  tags   = { Name = "${var.cluster}-nat" }
}

resource "aws_nat_gateway" "this" {
  count         = local.with_nat ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.nat[0].id
  tags          = { Name = var.cluster }
  depends_on    = [aws_internet_gateway.this]
}

# A way to ssh without public addresses. The private key never leaves the operator's machine.

resource "aws_ec2_instance_connect_endpoint" "this" {
  count              = var.connect_endpoint ? 1 : 0
  subnet_id          = local.places[var.server_names[0]].subnet_id
  security_group_ids = [aws_security_group.connect[0].id]
  preserve_client_ip = false # The endpoint's security group is what servers let in.
  tags               = { Name = var.cluster }
}

# A list of rules for each subnet: everything, or for a test everything but peer traffic. These
# rules know no connections, so they cut those that are open too; a security group doesn't.

resource "aws_network_acl" "server" {
  for_each   = aws_subnet.server
  vpc_id     = aws_vpc.this[0].id
  subnet_ids = [each.value.id]
  tags       = { Name = "${var.cluster}-${each.key}" }

  dynamic "ingress" {
    for_each = contains(var.cut_off, each.key) ? [1] : []
    content {
      rule_no    = 50
      action     = "deny"
      protocol   = "tcp"
      cidr_block = "0.0.0.0/0"
      from_port  = local.peer_port
      to_port    = local.peer_port
    }
  }

  dynamic "egress" {
    for_each = contains(var.cut_off, each.key) ? [1] : []
    content {
      rule_no    = 50
      action     = "deny"
      protocol   = "tcp"
      cidr_block = "0.0.0.0/0"
      from_port  = local.peer_port
      to_port    = local.peer_port
    }
  }

  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }

  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}
