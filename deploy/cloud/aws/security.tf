# UNTESTED on a real account; see versions.tf and README.md.

locals {
  vpc_id = local.own_vpc ? aws_vpc.this[0].id : var.vpc_id
}

resource "aws_security_group" "server" {
  name_prefix = "${var.cluster}-server-"
  description = "Quorid servers of ${var.cluster}"
  vpc_id      = local.vpc_id
  tags        = { Name = "${var.cluster}-server" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "client" {
  for_each          = toset(var.client_cidrs)
  security_group_id = aws_security_group.server.id
  description       = "Clients, in TLS"
  ip_protocol       = "tcp"
  from_port         = local.client_port
  to_port           = local.client_port
  cidr_ipv4         = each.value
}

# Servers ask each other's client port when a server's status is shown, and operators may work
# on one of them.
resource "aws_vpc_security_group_ingress_rule" "client_among_servers" {
  security_group_id            = aws_security_group.server.id
  description                  = "Client port, from the other servers"
  ip_protocol                  = "tcp"
  from_port                    = local.client_port
  to_port                      = local.client_port
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_vpc_security_group_ingress_rule" "peer" {
  security_group_id            = aws_security_group.server.id
  description                  = "The other servers, in TLS with certificates on both sides"
  ip_protocol                  = "tcp"
  from_port                    = local.peer_port
  to_port                      = local.peer_port
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = toset(var.ssh_cidrs)
  security_group_id = aws_security_group.server.id
  description       = "Operators' ssh"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_egress_rule" "among_servers" {
  security_group_id            = aws_security_group.server.id
  description                  = "The other servers"
  ip_protocol                  = "tcp"
  from_port                    = local.client_port
  to_port                      = local.peer_port
  referenced_security_group_id = aws_security_group.server.id
}

# The program and the system's updates. The time service and DNS of AWS need no rule.
resource "aws_vpc_security_group_egress_rule" "download" {
  for_each          = toset(["80", "443"])
  security_group_id = aws_security_group.server.id
  description       = "Downloads and updates"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "connect" {
  count       = var.connect_endpoint ? 1 : 0
  name_prefix = "${var.cluster}-connect-"
  description = "EC2 Instance Connect endpoint of ${var.cluster}"
  vpc_id      = local.vpc_id
  tags        = { Name = "${var.cluster}-connect" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "connect" {
  count                        = var.connect_endpoint ? 1 : 0
  security_group_id            = aws_security_group.connect[0].id
  description                  = "ssh to the servers"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.server.id
}

resource "aws_vpc_security_group_ingress_rule" "ssh_from_endpoint" {
  count                        = var.connect_endpoint ? 1 : 0
  security_group_id            = aws_security_group.server.id
  description                  = "ssh through the EC2 Instance Connect endpoint"
  ip_protocol                  = "tcp"
  from_port                    = 22
  to_port                      = 22
  referenced_security_group_id = aws_security_group.connect[0].id
}
