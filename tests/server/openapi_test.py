"""/openapi.json is valid, whole, and what clients of the service look for is in it."""

import re
import unittest

from serving import SOURCE, ServerTest


class OpenApi(ServerTest):
    def test_it_is_whole(self):
        document = self.good("GET", "/openapi.json", token=None)
        self.assertEqual(document["openapi"], "3.1.0")
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                with self.subTest(operation=f"{method} {path}"):
                    self.assertIn("200", operation["responses"])
                    named = {parameter["name"] for parameter in operation["parameters"] if "name" in parameter and parameter["in"] == "path"}
                    self.assertEqual(named, set(re.findall(r"{(\w+)}", path)))
                    if "security" in operation:
                        self.assertLessEqual({"401", "403", "422"}, set(operation["responses"]))
        ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
        self.assertEqual(len(ids), len(set(ids)))
        for reference in set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"'))):
            self.assertIn(reference, document["components"]["schemas"])

    def test_the_schemas_of_the_service_are_there(self):
        schemas = self.good("GET", "/openapi.json", token=None)["components"]["schemas"]
        for name in ("MemoryStoreRequest", "MemoryStoreResponse", "MemoryGetResponse", "MemoryDeleteResponse", "MemorySearchRequest",
                     "MemorySearchResponse", "HealthResponse", "StatsResponse", "GraphLinkRequest", "GraphLinkResponse",
                     "GraphNeighborsResponse", "GraphPathResponse"):
            self.assertIn(name, schemas)

    def test_every_route_is_in_the_documentation(self):
        text = (SOURCE / "docs/server.md").read_text(encoding="utf-8")
        for path, operations in self.good("GET", "/openapi.json", token=None)["paths"].items():
            for method in operations:
                self.assertIn(f"`{method.upper()} {path}`", text)


if __name__ == "__main__":
    unittest.main()
