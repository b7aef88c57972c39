TEST_CASE("x") {}
