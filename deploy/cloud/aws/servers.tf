# UNTESTED on a real account; see versions.tf and README.md.

data "aws_ami" "debian" {
  count       = var.ami_id == null ? 1 : 0
  owners      = ["136693071363"] # Debian
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-12-${var.architecture}-*"]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

# The directory's data: outlives the instance. `terraform destroy` refuses to remove it.
resource "aws_ebs_volume" "data" {
  for_each          = local.servers
  availability_zone = local.places[each.key].zone
  type              = "gp3"
  size              = var.volume_gib
  iops              = var.volume_iops
  throughput        = var.volume_throughput
  encrypted         = true
  kms_key_id        = var.kms_key_id
  tags              = { Name = "${var.cluster}-${each.key}-data", Server = each.key }

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [availability_zone]
  }
}

resource "aws_instance" "server" {
  for_each                    = local.servers
  ami                         = var.ami_id != null ? var.ami_id : data.aws_ami.debian[0].id
  instance_type               = var.instance_type
  subnet_id                   = local.places[each.key].subnet_id
  private_ip                  = local.places[each.key].address
  associate_public_ip_address = var.public_addresses
  vpc_security_group_ids      = [aws_security_group.server.id]
  key_name                    = var.key_name
  user_data                   = local.user_data[each.key]
  tags                        = { Name = "${var.cluster}-${each.key}", Server = each.key }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required" # IMDSv2
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type           = "gp3"
    volume_size           = 10
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  lifecycle {
    # A newer image or another configuration must not stop or replace three servers at once.
    # Replace them one after the other, with -replace: see docs/operations/cloud.md.
    ignore_changes = [ami, user_data]

    precondition {
      condition     = local.own_vpc == (length(var.subnet_ids) == 0)
      error_message = "Give vpc_id and subnet_ids together, or neither."
    }

    precondition {
      condition     = length(distinct([for place in local.places : place.zone])) == 3
      error_message = "The three subnets must be in three availability zones."
    }

    precondition {
      condition     = alltrue([for name in var.cut_off : contains(var.server_names, name)])
      error_message = "cut_off names a server that isn't in server_names."
    }

    precondition {
      condition     = length(var.cut_off) == 0 || local.own_vpc
      error_message = "cut_off needs a VPC that is made here."
    }
  }

  depends_on = [aws_route.out, aws_route_table_association.server, aws_vpc_endpoint.s3]
}

resource "aws_volume_attachment" "data" {
  for_each                       = local.servers
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data[each.key].id
  instance_id                    = aws_instance.server[each.key].id
  stop_instance_before_detaching = true
}

locals {
  # No private key is in here: whoever may describe the instances can read it.
  user_data = {
    for name in var.server_names : name => templatefile("${path.module}/cloud-init.yaml.tftpl", {
      binary_url    = var.binary_url
      binary_sha256 = var.binary_sha256
      volume_serial = replace(aws_ebs_volume.data[name].id, "-", "")
      mount_data    = file("${path.module}/mount-data.sh")
      install       = file("${path.module}/install.sh")
      unit          = file("${path.module}/../../hosts/quorid.service")
      config = templatefile("${path.module}/quorid.toml.tftpl", {
        name            = name
        initial_servers = local.initial_servers
        timing          = var.timing
        access          = var.access
      })
    })
  }
}
