"""Who takes the money: one module or package per provider (`ports.PaymentProvider`)."""
