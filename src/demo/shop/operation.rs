//! The shop's operations and the service that answers each. How long they take is in `service_time`.

/// One of the four services behind the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Account,
    Inventory,
    Order,
    Payment,
}

impl Service {
    pub(super) const ALL: [Self; 4] = [Self::Account, Self::Inventory, Self::Order, Self::Payment];

    /// As in paths, faults and the `NAME=value` lines (there in capitals).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }
}

/// A business operation: the unit of latency profiles, statistics and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CreateCustomer,
    GetCustomer,
    CreateProduct,
    GetProduct,
    SimilarProducts,
    ReserveStock,
    ReplenishStock,
    CreateOrder,
    GetOrder,
}

impl Operation {
    pub(super) const ALL: [Self; 9] = [
        Self::CreateCustomer,
        Self::GetCustomer,
        Self::CreateProduct,
        Self::GetProduct,
        Self::SimilarProducts,
        Self::ReserveStock,
        Self::ReplenishStock,
        Self::CreateOrder,
        Self::GetOrder,
    ];

    /// The name that the journeys in `scripts/shop` use too, so that both sides' figures can be laid side by side.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CreateCustomer => "POST /api/customers",
            Self::GetCustomer => "GET /api/customers/{id}",
            Self::CreateProduct => "POST /api/products",
            Self::GetProduct => "GET /api/products/{id}",
            Self::SimilarProducts => "GET /api/products/{id}/similar",
            Self::ReserveStock => "POST /api/products/{id}/stock/reserve",
            Self::ReplenishStock => "POST /api/products/{id}/stock/replenish",
            Self::CreateOrder => "POST /api/orders",
            Self::GetOrder => "GET /api/orders/{id}",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn service(self) -> Service {
        match self {
            Self::CreateCustomer | Self::GetCustomer => Service::Account,
            Self::CreateOrder | Self::GetOrder => Service::Order,
            _ => Service::Inventory,
        }
    }

    /// Whether the gateway's write limit counts it.
    pub(super) fn is_write(self) -> bool {
        self.name().starts_with("POST")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_index_order() {
        for (position, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation.index(), position, "{operation:?}");
        }
    }
}
