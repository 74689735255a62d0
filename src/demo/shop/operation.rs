//! The shop's operations and the service that answers each. How long they take is in `service_time`.

use crate::demo::front;

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
    pub(super) const NAMES: [&'static str; 4] = ["account", "inventory", "order", "payment"];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
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

    /// The names that the journeys in `scripts/shop` use too.
    pub(super) const NAMES: [&'static str; 9] = [
        "POST /api/customers",
        "GET /api/customers/{id}",
        "POST /api/products",
        "GET /api/products/{id}",
        "GET /api/products/{id}/similar",
        "POST /api/products/{id}/stock/reserve",
        "POST /api/products/{id}/stock/replenish",
        "POST /api/orders",
        "GET /api/orders/{id}",
    ];

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
        Self::NAMES[self.index()].starts_with("POST")
    }
}

impl front::Operation for Operation {
    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    fn part(self) -> &'static str {
        self.service().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_index_order() {
        for (position, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation.index(), position, "{operation:?}");
        }
        assert_eq!(Operation::NAMES[Operation::CreateOrder as usize], "POST /api/orders");
        assert_eq!(
            Operation::NAMES[Operation::SimilarProducts as usize],
            "GET /api/products/{id}/similar"
        );
        for (position, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, position, "{service:?}");
        }
        assert_eq!(Service::Order.name(), "order");
    }
}
