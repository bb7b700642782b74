# Vault Agent (or `bao agent`) beside an integration: keeps an environment file of its Salesforce login up to date.
# Its role has the policy deploy/vault/reader.hcl. See docs/consumers.md.
vault {
  address = "https://vault.example.com:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/salesforce-login/role-id"
      secret_id_file_path                 = "/etc/salesforce-login/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  # How often a secret is read anew, and so how long after token-catcher's write the file has it. The default is 5 minutes.
  static_secret_render_interval = "15s"
}

template {
  source               = "/etc/salesforce-login/salesforce.env.ctmpl"
  destination          = "/run/salesforce-login/salesforce.env"
  perms                = "0400"
  error_on_missing_key = true
  exec {
    # Runs after each change of the file.
    command = ["/usr/bin/systemctl", "try-restart", "salesforce-integration.service"]
  }
}
