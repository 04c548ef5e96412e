// Everything that is known about the operations of the clash detection API, one line each.
// Sources: developer.bentley.com/apis/clash-detection/operations (v1) and /apis/clash-detection-v2/operations (v2).
// A row marked (guess) has a path that the pages do not state; such rows err on the side of "destroys something".
// Rows are tried in order, so literals stand before ids.

enum OperationTable {
    /// `P` stands for `/clash-detection/itwins/{itwin}`, `V` for `/clashdetection`; `{id}` is one segment, `**` one or
    /// more. `when` limits a row to bodies whose `operation` says that word. `itwin` says where a call must name the iTwin that
    /// it is about: in v2 always in its path.
    // swift-format-ignore
    static let rows: [OperationRow] = [
        //   name                           method   path                            class    ids of       what it shows or touches
        .row("v2.tests.list",               .get,    "P/tests",                      .read,   .test,       .list(.tests, "tests")),
        .row("v2.tests.create",             .post,   "P/tests",                      .write,  .test,       .touches([.tests])),
        .row("v2.tests.delete",             .post,   "P/tests/jobs/deletion",        .delete, .test,       .touches([.tests, .reports])),
        .row("v2.tests.get",                .get,    "P/tests/{id}",                 .read,   .test,       .item(.tests, "test")),
        .row("v2.tests.update",             .put,    "P/tests/{id}",                 .write,  .test,       .touches([.tests, .reports])),
        .row("v2.runs.start",               .post,   "P/runs/jobs",                  .run,    .test,       .touches([.reports]), countsAsRun: true),
        .row("v2.runs.cancel",              .post,   "P/runs/jobs",                  .run,    .report,     .touches([.reports]), when: .cancel),             // (guess)
        .row("v2.runs.cancel",              .post,   "P/runs/jobs/cancellation",     .run,    .report,     .touches([.reports])),                            // (guess)
        .row("v2.runs.delete",              .post,   "P/runs/jobs",                  .delete, .report,     .touches([.reports, .manualSuppressions]), when: .delete), // tech preview
        .row("v2.runs.delete",              .post,   "P/runs/jobs/deletion",         .delete, .report,     .touches([.reports, .manualSuppressions])),       // tech preview
        .row("v2.reports.list",             .get,    "P/reports",                    .read,   .report,     .list(.reports, "reports")),
        .row("v2.reports.delete",           .post,   "P/reports/jobs/deletion",      .delete, .report,     .touches([.reports, .manualSuppressions])),
        .row("v2.reports.get",              .get,    "P/reports/{id}",               .read,   .report,     .state(.reports, .object("metadata")), links: false),
        .row("v2.suppression-rules.list",   .get,    "P/suppression-rules",          .read,   .rule,       .list(.suppressionRules, "suppressionRules")),
        .row("v2.suppression-rules.create", .post,   "P/suppression-rules",          .write,  .rule,       .touches([.suppressionRules])),
        .row("v2.suppression-rules.get",    .get,    "P/suppression-rules/{id}",     .read,   .rule,       .item(.suppressionRules, "suppressionRule")),
        .row("v2.suppression-rules.update", .patch,  "P/suppression-rules/{id}",     .write,  .rule,       .touches([.suppressionRules, .tests], items: [.tests])),
        .row("v2.suppression-rules.delete", .delete, "P/suppression-rules/{id}",     .delete, .rule,       .touches([.suppressionRules, .tests], items: [.tests])),
        .row("v2.suppression-templates.list", .get,  "P/suppression-templates",      .read,   nil,         .stable(.suppressionTemplates, "suppressionTemplates")),
        .row("v2.manual-suppressions.list", .get,    "P/manual-suppressions",        .read,   .report,     .list(.manualSuppressions, "manualSuppressions")),
        .row("v2.manual-suppressions.apply", .post,  "P/manual-suppressions",        .write,  .report,     .touches([.manualSuppressions, .reports])),       // (guess)
        .row("v2.manual-suppressions.remove", .post, "P/manual-suppressions",        .delete, .report,     .touches([.manualSuppressions, .reports]), when: .delete), // (guess)
        .row("v2.manual-suppressions.remove", .post, "P/manual-suppressions/**",     .delete, .report,     .touches([.manualSuppressions, .reports])),       // (guess)
        .row("v2.manual-suppressions.remove", .delete, "P/manual-suppressions",      .delete, .report,     .touches([.manualSuppressions, .reports])),       // (guess)
        .row("v2.manual-suppressions.remove", .delete, "P/manual-suppressions/**",   .delete, .report,     .touches([.manualSuppressions, .reports])),       // (guess)

        .row("v1.tests.list",               .get,    "V/tests",                      .read,   .test,       .list(.tests, "tests"), itwin: .query),
        .row("v1.tests.create",             .post,   "V/tests",                      .write,  .test,       .touches([.tests]), itwin: .body),
        .row("v1.tests.get",                .get,    "V/tests/{id}",                 .read,   .test,       .item(.tests, "test"), itwin: .id),
        .row("v1.tests.update",             .put,    "V/tests/{id}",                 .write,  .test,       .touches([.tests, .reports]), itwin: .id),
        .row("v1.tests.delete",             .delete, "V/tests/{id}",                 .delete, .test,       .touches([.tests, .reports]), itwin: .id),
        .row("v1.runs.start",               .post,   "V/runs",                       .run,    .test,       .touches([.reports]), countsAsRun: true, itwin: .test),
        .row("v1.runs.list",                .get,    "V/runs",                       .read,   .run,        .list(.reports, "runs"), itwin: .query),
        .row("v1.runs.get",                 .get,    "V/runs/{id}",                  .read,   .run,        .state(.reports, .object("run")), itwin: .id),
        .row("v1.runs.delete",              .delete, "V/runs/{id}",                  .delete, .run,        .touches([.reports, .manualSuppressions], items: [.reports]), itwin: .id),
        .row("v1.results.get",              .get,    "V/results/{id}",               .read,   .result,     .state(.reports, .none), links: false, itwin: .id),
        .row("v1.suppression-rules.list",   .get,    "V/suppressionrules",           .read,   .rule,       .list(.suppressionRules, "suppressionRules"), itwin: .query),
        .row("v1.suppression-rules.create", .post,   "V/suppressionrules",           .write,  .rule,       .touches([.suppressionRules]), itwin: .body),
        .row("v1.suppression-rules.get",    .get,    "V/suppressionrules/{id}",      .read,   .rule,       .item(.suppressionRules, "suppressionRule"), itwin: .id),
        .row("v1.suppression-rules.update", .put,    "V/suppressionrules/{id}",      .write,  .rule,       .touches([.suppressionRules, .tests], items: [.tests]), itwin: .id),
        .row("v1.suppression-rules.delete", .delete, "V/suppressionrules/{id}",      .delete, .rule,       .touches([.suppressionRules, .tests], items: [.tests]), itwin: .id),
        .row("v1.suppression-templates.list", .get,  "V/suppressionruletemplates",   .read,   nil,         .stable(.suppressionTemplates, "suppressionRuleTemplates"), itwin: .query),
        .row("v1.models-and-categories.extract", .post, "V/modelsandcategories/imodels/{id}", .write, .repository, .touches([]), itwin: .body),
        .row("v1.models-and-categories.get", .get,   "V/modelsandcategories/imodels/{id}", .read, .repository, .polled, itwin: .query),
        .row("v1.schemas.extract",          .post,   "V/schemas/imodels/{id}",       .write,  .repository, .touches([]), itwin: .body),
        .row("v1.schemas.get",              .get,    "V/schemas/imodels/{id}",       .read,   .repository, .polled, itwin: .query),
    ]
}
