// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
// What a dashboard of ours may have, by Grafana's own types; tests/dashboard.py has ours follow here.
import type { AnnotationQuery, Dashboard, Panel } from "@grafana/schema";
import type * as Stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as Table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as Series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the words of an enumeration, not its names; and Grafana has a default for what lacks.
type Written<T> = T extends string ? `${T}`
	: T extends (infer One)[] ? Written<One>[]
	: T extends object ? { [Key in keyof T]: Written<T[Key]> }
	: T;
type Partly<T> = Written<{ [Key in keyof T]?: T[Key] }>;

// Grafana leaves what depends on the kind of a panel, and of a source, open.
type Fields<Custom> = Omit<NonNullable<Panel["fieldConfig"]>, "defaults"> & {
	defaults: Omit<NonNullable<Panel["fieldConfig"]>["defaults"], "custom"> & { custom?: Custom };
};
type Of<Type extends string, Options, Custom> = Omit<Written<Panel>, "type" | "options" | "fieldConfig"> & {
	type: Type;
	options?: Partly<Options>;
	fieldConfig: Written<Fields<Partly<Custom>>>;
};
type OurPanel = Of<"stat", Stat.Options, {}> | Of<"table", Table.Options, Table.FieldConfig> |
	Of<"timeseries", Series.Options, Series.FieldConfig>;
type PrometheusAnnotation = Written<AnnotationQuery> & { expr: string; titleFormat?: string };

export type Ours = Omit<Written<Dashboard>, "panels" | "annotations"> & {
	panels: OurPanel[];
	annotations: { list: PrometheusAnnotation[] };
};
