"""Provider: Amazon Bedrock, Converse and InvokeModel."""
