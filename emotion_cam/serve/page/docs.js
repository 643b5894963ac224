/** Shows /openapi.json as a page, so that nothing is fetched from elsewhere. */

/**
 * @param {string} kind
 * @param {(string | Node)[]} content
 */
function make(kind, ...content) {
  const element = document.createElement(kind);
  element.append(...content);
  return element;
}

/**
 * @param {string[]} head
 * @param {(string | Node)[][]} rows
 */
function table(head, rows) {
  const body = rows.map((row) => make("tr", ...row.map((cell) => make("td", cell))));
  return make("table", make("thead", make("tr", ...head.map((name) => make("th", name)))), make("tbody", ...body));
}

/**
 * @param {any} schema
 * @returns {string}
 */
function kindOf(schema) {
  if (schema?.anyOf) return schema.anyOf.map(kindOf).filter((/** @type {string} */ kind) => kind !== "null").join(" or ");
  if (schema?.type === "array") return `${kindOf(schema.items)}, may be repeated`;
  return schema?.type ?? "";
}

/**
 * @param {any} schema
 * @param {any} all
 * @returns {any} an example of a schema
 */
function exampleOf(schema, all) {
  if (schema?.$ref) return exampleOf(all.components.schemas[schema.$ref.split("/").pop()], all);
  if (schema?.anyOf) return exampleOf(schema.anyOf[0], all);
  if (schema?.prefixItems) return schema.prefixItems.map((/** @type {any} */ item) => exampleOf(item, all));
  switch (schema?.type) {
    case "object":
      if (schema.properties) {
        const entries = Object.entries(schema.properties);
        return Object.fromEntries(entries.map(([name, part]) => [name, exampleOf(part, all)]));
      }
      return { "…": exampleOf(schema.additionalProperties, all) };
    case "array":
      return [exampleOf(schema.items, all)];
    case "string":
      return "…";
    case "integer":
      return 0;
    case "number":
      return 0.5;
    default:
      return null;
  }
}

/**
 * @param {string} path
 * @param {string} method
 * @param {any} operation
 * @param {any} all
 */
function section(path, method, operation, all) {
  const name = make("span", method.toUpperCase());
  name.className = "method";
  const parts = [make("h2", name, make("code", path)), make("p", operation.description ?? operation.summary)];
  if (operation.parameters?.length) {
    const rows = operation.parameters.map((/** @type {any} */ one) => [
      make("code", one.name),
      kindOf(one.schema),
      one.description ?? one.schema?.description ?? "",
    ]);
    parts.push(make("h3", "In the address"), table(["Name", "Kind", "Meaning"], rows));
  }
  if (operation.requestBody) {
    const kinds = Object.keys(operation.requestBody.content).join(", ");
    parts.push(make("h3", "Body"), make("p", `${operation.requestBody.description ?? ""} ${kinds}`));
  }
  const answers = Object.entries(/** @type {Record<string, any>} */ (operation.responses)).map(([status, one]) => [
    status,
    one.description,
  ]);
  parts.push(make("h3", "Answers"), table(["Status", "Meaning"], answers));
  const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
  if (schema?.$ref) parts.push(make("pre", JSON.stringify(exampleOf(schema, all), null, 1)));
  return make("section", ...parts);
}

const answer = await fetch("/openapi.json");
const all = await answer.json();
const operations = Object.entries(/** @type {Record<string, any>} */ (all.paths)).flatMap(([path, methods]) =>
  Object.entries(/** @type {Record<string, any>} */ (methods)).map(([method, one]) => section(path, method, one, all)),
);
document.getElementById("operations")?.replaceChildren(...operations);

export {};
