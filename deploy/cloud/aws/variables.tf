# UNTESTED on a real account; see versions.tf and README.md.

variable "region" {
  description = "AWS region, such as eu-central-1. It must have three availability zones."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "A region is written like eu-central-1."
  }
}

variable "cluster" {
  description = "Name of the cluster: in the tags and names of everything that is made."
  type        = string
  default     = "quorid"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.cluster))
    error_message = "Use 1 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "server_names" {
  description = "Names of the three servers, as in their certificates."
  type        = list(string)
  default     = ["s1", "s2", "s3"]

  validation {
    condition     = length(var.server_names) == 3 && length(distinct(var.server_names)) == 3
    error_message = "Give three different names."
  }

  validation {
    condition = alltrue([
      for name in var.server_names : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", name))
    ])
    error_message = "1 to 63 lower-case letters, digits and hyphens, no hyphen first or last."
  }
}

# Network

variable "vpc_id" {
  description = "A VPC that exists. Null: one is made. With it, subnet_ids must be given too."
  type        = string
  default     = null

  validation {
    condition     = var.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "A VPC is written like vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "With vpc_id: three subnets of it in three zones, in server_names' order."
  type        = list(string)
  default     = []

  validation {
    condition = (
      contains([0, 3], length(var.subnet_ids)) &&
      length(var.subnet_ids) == length(distinct(var.subnet_ids))
    )
    error_message = "Give three different subnets, or none."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made: /16 to /22."
  type        = string
  default     = "10.74.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && can(regex("/(1[6-9]|2[0-2])$", var.vpc_cidr))
    error_message = "An IPv4 block from /16 to /22, such as 10.74.0.0/16."
  }
}

variable "host_number" {
  description = "Which address of its subnet a server has: 10 is 10.74.0.10 in 10.74.0.0/20."
  type        = number
  default     = 10

  validation {
    # AWS keeps 0 to 3 for itself.
    condition     = contains(range(4, 251), var.host_number)
    error_message = "A whole number from 4 to 250."
  }
}

variable "client_cidrs" {
  description = "Who may reach the client port, 7400: clients, operators, probes."
  type        = list(string)

  validation {
    condition = length(var.client_cidrs) > 0 && alltrue([
      for cidr in var.client_cidrs : can(cidrnetmask(cidr))
    ])
    error_message = "At least one IPv4 block, such as 10.74.0.0/16."
  }
}

variable "ssh_cidrs" {
  description = "Who may reach ssh, 22. Empty: nobody, but through connect_endpoint."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for cidr in var.ssh_cidrs : can(cidrnetmask(cidr)) && cidr != "0.0.0.0/0"
    ])
    error_message = "IPv4 blocks, and not 0.0.0.0/0: ssh isn't for the whole internet."
  }
}

variable "public_addresses" {
  description = "Give the servers public addresses too. They change when an instance stops."
  type        = bool
  default     = false
}

variable "nat_gateway" {
  description = "Without vpc_id and public addresses: a NAT gateway, paid by the hour."
  type        = bool
  default     = false
}

variable "connect_endpoint" {
  description = "An EC2 Instance Connect endpoint, to reach ssh without public addresses."
  type        = bool
  default     = false
}

variable "cut_off" {
  description = "For tests, without vpc_id: servers whose subnets let no peer traffic through."
  type        = list(string)
  default     = []
}

# Machines

variable "instance_type" {
  description = "A Nitro type, so that the data volume is found by its id."
  type        = string
  default     = "m7i.large"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9]+$", var.instance_type))
    error_message = "An instance type is written like m7i.large."
  }

  validation {
    condition     = !can(regex("^(t1|t2|m1|m2|m3|m4|c1|c3|c4|r3|r4|i2|d2)\\.", var.instance_type))
    error_message = "That type isn't a Nitro one; take t3, m5, c5, r5 or newer."
  }
}

variable "architecture" {
  description = "That of the instance type and of the binary: amd64 or arm64."
  type        = string
  default     = "amd64"

  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "amd64 or arm64."
  }
}

variable "ami_id" {
  description = "Image with systemd, cloud-init and Python 3. Null: the newest Debian 12."
  type        = string
  default     = null
}

variable "login_user" {
  description = "The image's user for ssh: admin for Debian, ubuntu for Ubuntu."
  type        = string
  default     = "admin"
}

variable "key_name" {
  description = "Name of an EC2 key pair for ssh. Null: none."
  type        = string
  default     = null
}

variable "volume_gib" {
  description = "Size of each data volume, GiB."
  type        = number
  default     = 20

  validation {
    condition     = var.volume_gib >= 5 && var.volume_gib <= 16384
    error_message = "From 5 to 16384."
  }
}

variable "volume_iops" {
  description = "IOPS of each data volume; 3000 are in gp3's price."
  type        = number
  default     = 3000

  validation {
    condition     = var.volume_iops >= 3000 && var.volume_iops <= 16000
    error_message = "gp3 has 3000 to 16000."
  }
}

variable "volume_throughput" {
  description = "Throughput of each data volume, MiB/s; 125 are in gp3's price."
  type        = number
  default     = 125

  validation {
    condition     = var.volume_throughput >= 125 && var.volume_throughput <= 1000
    error_message = "gp3 has 125 to 1000."
  }
}

variable "kms_key_id" {
  description = "ARN of a KMS key for the volumes. Null: the account's default key for EBS."
  type        = string
  default     = null
}

# Quorid

variable "binary_url" {
  description = "Where the program is: an https address that the instances can reach."
  type        = string
  sensitive   = true # It may be a signed one.

  validation {
    condition     = startswith(var.binary_url, "https://")
    error_message = "An https address."
  }
}

variable "binary_sha256" {
  description = "SHA-256 of the program, as sha256sum prints it."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.binary_sha256))
    error_message = "64 hexadecimal digits, in lower case."
  }
}

variable "timing" {
  description = "Preset of the time-outs, lan for zones. See docs/operations/timing.md."
  type        = string
  default     = "lan"

  validation {
    condition     = contains(["lan", "wan"], var.timing)
    error_message = "lan or wan."
  }
}

variable "access" {
  description = "Who may look up and create: closed needs a login or an operator, open nothing."
  type        = string
  default     = "closed"

  validation {
    condition     = contains(["closed", "open"], var.access)
    error_message = "closed or open."
  }
}

variable "tags" {
  description = "Further tags for everything that is made."
  type        = map(string)
  default     = {}
}
