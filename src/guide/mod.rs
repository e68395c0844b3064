#![doc = include_str!("guide.md")]

pub mod why {
    #![doc = include_str!("why.md")]
}

pub mod first_five_minutes {
    #![doc = include_str!("first_five_minutes.md")]
}

pub mod choosing {
    #![doc = include_str!("choosing.md")]
}

pub mod order {
    #![doc = include_str!("order.md")]
}

pub mod tuning {
    #![doc = include_str!("tuning.md")]
}

pub mod budgets {
    #![doc = include_str!("budgets.md")]
}

pub mod failures {
    #![doc = include_str!("failures.md")]
}

pub mod mesh {
    #![doc = include_str!("mesh.md")]
}

pub mod live {
    #![doc = include_str!("live.md")]
}

pub mod on_call {
    #![doc = include_str!("on_call.md")]
}

pub mod testing {
    #![doc = include_str!("testing.md")]
}

pub mod compile_errors {
    #![doc = include_str!("compile_errors.md")]
}

pub mod names {
    #![doc = include_str!("names.md")]
}

pub mod without_tower {
    #![doc = include_str!("without_tower.md")]
}

pub mod http_and_grpc {
    #![doc = include_str!("http_and_grpc.md")]
}
