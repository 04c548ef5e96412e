// The JSON of v2: member names and their order as the operation pages show them.

extension Report {
    /// A row of the list, and the `metadata` of the detail.
    func rowV2(iTwin: GUID, now: Duration, metadata: Bool) -> JSON {
        let issues = issues(now)
        var row: JSON = [
            "iTwinId": .guid(iTwin), "repositoryId": .guid(repository.id), "changesetId": .guid(changeset.id),
            "configurationId": .guid(test), "executed": .time(executed),
            "duration": .int(status(now) == 0 ? 0 : (ends - executed).wholeSeconds),
            "numValidations": .int(issues * 20), "numElements": .int(issues * 6 + 1), "numRules": .int(ruleCount),
            "numIssues": .int(issues), "status": .int(status(now)), "userId": .guid(user.id),
            "testSettings": ["resultsLimit": resultsLimit], "jobId": .guid(jobID),
            "configurationName": .string(testName), "changesetName": .string(changeset.name),
            "repositoryName": .string(repository.name), "modifiedBy": .guid(modifier.id),
            "modifiedAt": .time(modified),
        ]
        if metadata { row = row.with("userMetadata", userMetadata(user, modifier)) }
        let suppressed = suppressedPairs.count
        return
            row.with(
                "vStatuses",
                [
                    "new": .int(max(0, issues - suppressed)), "open": 0, "resolved": 0, "ms": .int(suppressed),
                    "rs": 0, "multiSup": 0,
                ]
            )
            .with("id", .guid(id))
    }

    private var modifier: User { suppressions.last?.user ?? user }
    private var modified: Duration { max(ends, suppressions.last?.time ?? ends) }
}

extension TestConfiguration {
    func rowV2(metadata: Bool, rulesCount: Bool) -> JSON {
        var row = head.with("creationDate", .time(created)).with("modificationDate", .time(modified))
            .with("lastModifiedBy", .guid(modifiedBy.id))
        if rulesCount { row = row.with("rulesCount", .int(ruleIDs.count)) }
        if let tag { row = row.with("tag", tag) }
        return metadata ? row.with("userMetadata", userMetadata(createdBy, modifiedBy)) : row
    }

    func detailV2(metadata: Bool) -> JSON {
        var detail = head.with("creationDate", .time(created)).with("modificationDate", .time(modified))
            .with("lastModifiedBy", .guid(modifiedBy.id)).with("setA", setA).with("setB", setB)
            .with("suppressTouching", suppressTouching).with("touchingTolerance", touchingTolerance)
            .with("includeSubModels", includeSubModels)
            .with("suppressionRules", .array(ruleIDs.map { .guid($0) }))
            .with("advancedSettings", advancedSettings)
        if let tag { detail = detail.with("tag", tag) }
        return metadata ? detail.with("userMetadata", userMetadata(createdBy, modifiedBy)) : detail
    }

    private var head: JSON {
        [
            "id": .guid(id), "createdBy": .guid(createdBy.id), "name": .string(name),
            "description": .string(description),
        ]
    }
}

extension Rule {
    func rowV2(metadata: Bool) -> JSON {
        let row: JSON = [
            "id": .guid(id), "templateId": .guid(templateID), "name": .string(name), "createdBy": .guid(createdBy.id),
            "reason": .string(reason), "parameters": .string(parametersText), "creationDate": .time(created),
            "modificationDate": .time(modified), "lastModifiedBy": .guid(modifiedBy.id),
        ]
        return metadata ? row.with("userMetadata", userMetadata(createdBy, modifiedBy)) : row
    }

    /// The API answers parameters as JSON inside a string, whichever way they were given.
    var parametersText: String { parameters.text ?? String(decoding: parameters.bytes, as: UTF8.self) }
}

extension Template {
    var rowV2: JSON {
        [
            "id": .guid(id), "name": .string(name), "description": .string(description),
            "sampleText": .string(sampleText), "example": example,
        ]
    }
}

extension ManualSuppression {
    var rowV2: JSON {
        [
            "type": suppressed ? 1 : 0, "createdAt": .time(time), "createdBy": .guid(user.id),
            "reason": .string(reason), "elementIds": .array([.array(pair.map { .string($0) })]),
        ]
    }
}

/// The people behind a row, with their addresses: personal data that only comes when asked for.
func userMetadata(_ created: User, _ modified: User) -> JSON {
    func person(_ user: User) -> JSON { ["email": .string(user.email), "name": .string(user.name)] }
    return ["createdBy": person(created), "modifiedBy": person(modified)]
}
