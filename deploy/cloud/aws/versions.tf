# Three Quorid servers in three availability zones of one AWS region.
#
# UNTESTED: nobody has applied this to an AWS account yet. It was formatted and read, and what
# needs no provider was evaluated; see README.md. Read the plan before you agree to it.

terraform {
  required_version = ">= 1.5, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.60"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}
