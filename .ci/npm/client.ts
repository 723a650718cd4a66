// A program that is written against the generated types: it compiles, or the document says something else than it did.
import type { components, operations, paths, webhooks } from "./api";

type Answer<Operation extends keyof operations> = operations[Operation]["responses"] extends {
  200: { content: { "application/json": { data: infer Data } } };
}
  ? Data
  : never;

export function titles(page: Answer<"list_incidents">): string[] {
  return page.incidents.map((incident) => `${incident.number} ${incident.title}: ${incident.status}`);
}

export function whose(me: Answer<"get_me">): string {
  return `${me.user.email} is ${me.role} in ${me.team.name}`;
}

export const declaration: operations["declare_incident"]["requestBody"]["content"]["application/json"] = {
  severity: "critical",
  type: "timeout",
  error_message: "Connection timeout after 30000ms",
};

export const onlyIfUnchanged: NonNullable<paths["/api/incidents/{uuid}"]["put"]["parameters"]["header"]> = {
  "If-Match": '"0123456789abcdef0123456789abcdef"',
};

export function told(event: components["schemas"]["LogEvent"]): number | null | undefined {
  return event.event === "incident.started" ? event.incident_id : null;
}

export type Sent = webhooks["incident.started"]["post"]["requestBody"]["content"]["application/json"];
