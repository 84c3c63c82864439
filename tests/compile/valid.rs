//! The inputs that the macros accept: each file compiles, and its `main` runs.
//!
//! A file whose meaning depends on being the root of a crate is a target of its own: see `Cargo.toml`.

macro_rules! valid_files {
    ($($directory:ident { $($file:ident;)* })*) => {$(
        mod $directory {
            mod pass {
                $(
                    mod $file;

                    #[test]
                    fn $file() {
                        $file::main();
                    }
                )*
            }
        }
    )*};
}

mod ui {
    valid_files! {
        ws_handler {
            argument_patterns;
            arguments_of_generic_handlers;
            arguments_of_the_route;
            async_hooks;
            block_stays_as_it_is;
            conditions_within_cfg_attr;
            constants_in_lower_case;
            endless_tasks;
            every_payload_and_argument;
            every_reply;
            generic_handler;
            hooks_under_cfg;
            in_a_function_body;
            lifetimes;
            made_by_macro_rules;
            made_from_fragments;
            methods_of_every_type;
            names_of_primitive_types;
            names_of_the_prelude;
            no_prelude_and_shadowed_names;
            own_types_that_borrow;
            payloads_and_replies_of_ones_own;
            private_types;
            raw_identifiers;
            sends;
            sync_hooks;
            types_by_other_names;
            unnamed_types;
        }
        main {
            inner_attributes;
            return_types;
        }
        from_ref {
            every_shape;
        }
        path_params {
            structs;
        }
        dispatch {
            attached_to_pages;
            attached_without_session;
            conditional_nested_tables;
            conditional_routes;
            conditions_within_cfg_attr;
            empty_table;
            every_kind_of_route;
            every_option;
            generic_handler;
            in_a_function_body;
            in_bodies_of_every_kind;
            lifetimes_and_where_clauses;
            made_by_another_macro;
            names_that_could_clash;
            nested_tables;
            no_prelude;
            options_from_constants;
            overlaps_that_are_resolved;
            parameter_named_gen;
            private_types;
            raw_identifiers;
            two_tables_in_one_module;
            types_in_lower_case;
            warnings_that_are_allowed;
        }
        topics {
            conditions_and_attributes;
            every_kind_of_topic;
            no_prelude;
        }
    }
}
