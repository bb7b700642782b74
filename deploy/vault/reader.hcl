# What an integration that logs in to Salesforce may do: read its own secret. One block for each user it logs in as.
path "secret/data/salesforce/acme-production/integration@acme.example" {
  capabilities = ["read"]
}
